"""Short polling from Python: ask, take what there is, pause, ask again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from transports.client import Arrival, BackOff, check, http_client, query, resume
from transports.events import Batch, Event

INTERVAL = 1.0  # seconds between a response and the next request


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    interval: float = INTERVAL,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
) -> AsyncGenerator[Event, None]:
    """The room's events behind `since`, asked for every `interval` seconds.

    Reconnects and resumes by itself. Raises `transports.client.Refused`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with http_client(base_url, headers) as http:
            while True:
                response = await http.get(f"/polling/{room}/", params=query(cursor))
                await check(response)
                batch = Batch.from_document(response.json())
                cursor = str(batch.cursor)
                yield batch.events, cursor
                await asyncio.sleep(interval)

    return resume(receive, since, back_off)
