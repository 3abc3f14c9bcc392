"""Python clients of the exercises that are techniques, for the comparison."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import connect

from realtime_demo.workshop.lane import lane_of, technique
from transports.client import CONNECT_TIMEOUT, Arrival, BackOff, query, resume
from transports.events import Event
from transports.registry import EventStream


def client_of(name: str) -> EventStream:
    """Return the client of the exercise `name`, as mounted in the demo."""
    like, lane = lane_of(name)
    receive: Any = single_events if lane.get("framing") == "events" else like.events
    return partial(receive, path=technique(name).path)


def single_events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    path: str,
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`, from a WebSocket with one event in each message."""
    url = "ws" + base_url.removeprefix("http").rstrip("/") + path.format(room=room)

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with connect(
            f"{url}?{urlencode(query(cursor))}",
            additional_headers=headers,
            compression=None,
            open_timeout=CONNECT_TIMEOUT,
        ) as socket:
            async for message in socket:
                event = Event.from_document(json.loads(message))
                yield (event,), event.id

    return resume(receive, since, back_off)
