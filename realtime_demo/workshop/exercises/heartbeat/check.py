"""Cases of the heartbeat."""

from __future__ import annotations

import json

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import texts

A_WHILE = 1.0  # seconds


async def silence(bench: Bench) -> None:
    async with bench.get(f"/quiet/{bench.room()}/") as response:
        await response.head()
        before = len(response.body)
        arrived = await response.until(lambda: len(response.body) > before)
        response.expect(arrived, seconds=bench.patience)


async def no_event(bench: Bench) -> None:
    room = bench.room()
    async with bench.get(f"/quiet/{room}/") as response:
        await response.head()
        await response.until(lambda: response.body, A_WHILE)
        published = await bench.publish(room, "news")
        await response.until(lambda: b"news" in response.body)
        lines = [line for line in bytes(response.body).split(b"\n") if line.strip()]
        ids = [json.loads(line).get("id") for line in lines]
        response.expect(ids == [published[0].id], got=texts(response.events))
