"""Python client of long polling: each request waits for events, then the next follows at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from transports.client import Arrival, BackOff, OpenHttp, get_batch, open_http, query, resume
from transports.events import Event

POLL_TIMEOUT = 25.0  # seconds the server may hold a request


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    hold: float = POLL_TIMEOUT,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    http: OpenHttp = open_http,
    path: str = "/longpoll/{room}/",
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`; each request waits at most `hold` seconds.

    Reconnects and resumes automatically; `http` opens the HTTP client. Raises
    `transports.client.Rejected`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with http(base_url, headers) as client:
            while True:
                # Without a cursor, do not wait: get one at once, to resume from if the connection
                # is lost before the first event.
                parameters = query(cursor, wait=f"{hold if cursor else 0:g}")
                batch = await get_batch(client, path.format(room=room), parameters)
                cursor = str(batch.cursor)
                yield batch.events, cursor

    return resume(receive, since, back_off)
