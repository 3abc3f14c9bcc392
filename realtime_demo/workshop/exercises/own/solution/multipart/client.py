"""Python client of multipart streaming."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from transports.client import Arrival, BackOff, check, http_client, query, resume
from transports.events import Event


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`; reconnect and resume automatically."""

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        path = f"/multipart/{room}/"
        async with (
            http_client(base_url, headers) as http,
            http.stream("GET", path, params=query(cursor)) as response,
        ):
            await check(response)
            if cursor is None:
                yield (), response.headers["cursor"]
            rest = b""
            async for data in response.aiter_bytes():
                *parts, rest = (rest + data).split(b"--event\r\n")
                bodies = [part.partition(b"\r\n\r\n")[2].strip() for part in parts]
                arrived = tuple(Event.decode(body) for body in bodies if body)
                if arrived:
                    yield arrived, arrived[-1].id

    return resume(receive, since, back_off)
