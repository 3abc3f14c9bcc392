"""Python client of short polling: a request for the new events at each interval."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from transports.client import Arrival, BackOff, OpenHttp, get_batch, open_http, query, resume
from transports.events import Event

INTERVAL = 1.0  # seconds between a response and the next request


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    interval: float = INTERVAL,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    http: OpenHttp = open_http,
    path: str = "/polling/{room}/",
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`; pause `interval` seconds after each response.

    Reconnects and resumes automatically; `http` opens the HTTP client. Raises
    `transports.client.Rejected`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with http(base_url, headers) as client:
            while True:
                batch = await get_batch(client, path.format(room=room), query(cursor))
                cursor = str(batch.cursor)
                yield batch.events, cursor
                await asyncio.sleep(interval)

    return resume(receive, since, back_off)
