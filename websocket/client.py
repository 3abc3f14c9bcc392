"""Python client of both WebSocket consumers: batches on one open socket."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from transports.client import (
    CONNECT_TIMEOUT,
    Arrival,
    BackOff,
    batch_of,
    check_status,
    query,
    resume,
    tls_for,
)
from transports.events import Event

LARGEST_MESSAGE = 64 * 1024 * 1024  # bytes: a whole history in one batch
STATUSES = range(4400, 4600)  # close codes that are 4000 + an HTTP status


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    path: str = "/websocket/{room}/",
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`, from the asynchronous consumer.

    Reconnects and resumes automatically. Raises `transports.client.Rejected`.
    """
    url = "ws" + base_url.removeprefix("http").rstrip("/") + path.format(room=room)

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        try:
            async with connect(
                f"{url}?{urlencode(query(cursor))}",
                additional_headers=headers,
                ssl=tls_for(base_url),
                compression=None,  # keep frames at their real size, for the comparison
                max_size=LARGEST_MESSAGE,
                open_timeout=CONNECT_TIMEOUT,
                close_timeout=1,
            ) as socket:
                async for message in socket:
                    document = json.loads(message)
                    if "events" in document:
                        batch = batch_of(document)
                        yield batch.events, str(batch.cursor)
        except InvalidStatus as error:
            response = error.response
            check_status(
                response.status_code,
                response.headers.get("Retry-After"),
                bytes(response.body or b""),
            )
        except ConnectionClosed as error:
            if error.rcvd and error.rcvd.code in STATUSES:
                check_status(error.rcvd.code - 4000, "1", error.rcvd.reason.encode())
            raise

    return resume(receive, since, back_off)


def sync_events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
) -> AsyncGenerator[Event, None]:
    """Yield the same events as `events`, from the synchronous consumer."""
    return events(
        base_url, room, since, headers=headers, back_off=back_off, path="/websocket/sync/{room}/"
    )
