"""Short polling from Python: ask, take what there is, pause, ask again."""

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
) -> AsyncGenerator[Event, None]:
    """The room's events behind `since`, asked for `interval` seconds after each answer.

    Reconnects and resumes by itself; `http` makes the HTTP client that asks. Raises
    `transports.client.Refused`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with http(base_url, headers) as client:
            while True:
                batch = await get_batch(client, f"/polling/{room}/", query(cursor))
                cursor = str(batch.cursor)
                yield batch.events, cursor
                await asyncio.sleep(interval)

    return resume(receive, since, back_off)
