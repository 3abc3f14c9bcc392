"""Cases of the exactly-once task."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected, texts
from transports import feed
from transports.events import Event

LINES = ["one", "two", "three"]


async def run(bench: Bench, room: str, status: int, **task: Any) -> None:
    body = json.dumps({"lines": LINES, **task}).encode()
    async with bench.get(f"/run/{room}/", body=body) as response:
        await response.head(status)
        await response.until(lambda: response.ended)


async def check(bench: Bench, room: str, *lines: str) -> None:
    events: tuple[Event, ...] = (await bench.run(feed.history(room))).events
    if [event.text for event in events] != [*lines]:
        received = b"\n".join(event.encoded for event in events)
        raise Unexpected(received, got=texts(events), expected=", ".join(lines))


async def publishes(bench: Bench) -> None:
    room = bench.room()
    await run(bench, room, 200, task=f"{room}-a")
    await check(bench, room, *LINES)


async def dies(bench: Bench) -> None:
    room = bench.room()
    await run(bench, room, 503, task=f"{room}-a", dies_after=2)
    await run(bench, room, 200, task=f"{room}-a")
    await check(bench, room, *LINES)


async def twice(bench: Bench) -> None:
    room = bench.room()
    await asyncio.gather(*(run(bench, room, 200, task=f"{room}-a") for _ in range(2)))
    await check(bench, room, *LINES)


async def another(bench: Bench) -> None:
    room = bench.room()
    await run(bench, room, 200, task=f"{room}-a", lines=["same", "same"])
    await run(bench, room, 200, task=f"{room}-b", lines=["same"])
    await check(bench, room, "same", "same", "same")
