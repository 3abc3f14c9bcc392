"""The application with faults that the comparison must detect.

Every technique drops every 50th event of a room and duplicates every 70th; Server-Sent Events are
30 ms late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from realtime_demo.asgi import application as real_application
from transports import feed, hub
from transports.events import Batch, Cursor, Event

DROPPED, DUPLICATED, LATE = 50, 70, 0.030  # every n-th event; seconds


def broken(batch: Batch) -> Batch:
    events: list[Event] = []
    for event in batch.events:
        seq = event.cursor.seq
        events += [event] * (0 if seq % DROPPED == 0 else 2 if seq % DUPLICATED == 0 else 1)
    return Batch(batch.room, batch.cursor, tuple(events))


real_history, real_subscribe = feed.history, hub.subscribe


async def history(room: str, since: Cursor | None = None) -> Batch:
    return broken(await real_history(room, since))


async def subscribe(
    room: str, since: Cursor | None = None, heartbeat: float = 15.0, lifetime: float = 0.0
) -> AsyncGenerator[Batch, None]:
    async with aclosing(real_subscribe(room, since, heartbeat, lifetime)) as batches:
        async for batch in batches:
            yield broken(batch)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    # Not on import: tests import this module for its constants.
    feed.history = history
    hub.subscribe = subscribe

    async def send_late(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            end = time.monotonic() + LATE
            # uvloop's timers may end early.
            while (seconds := end - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(seconds)
        await send(message)

    late = "/sse/" in scope.get("path", "")
    await real_application(scope, receive, send_late if late else send)
