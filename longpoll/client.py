"""Long polling from Python: ask, be held until there is something, ask again at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from transports.client import Arrival, BackOff, OpenHttp, get_batch, open_http, query, resume
from transports.events import Event

HOLD = 25.0  # seconds the server may hold a request


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    hold: float = HOLD,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    http: OpenHttp = open_http,
) -> AsyncGenerator[Event, None]:
    """The room's events behind `since`, each request held for at most `hold` seconds.

    Reconnects and resumes by itself; `http` makes the HTTP client that asks. Raises
    `transports.client.Refused`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with http(base_url, headers) as client:
            while True:
                # Who has no place yet is not held: cut before the first event, it would have
                # none to resume from.
                parameters = query(cursor, wait=f"{hold if cursor else 0:g}")
                batch = await get_batch(client, f"/longpoll/{room}/", parameters)
                cursor = str(batch.cursor)
                yield batch.events, cursor

    return resume(receive, since, back_off)
