"""Clients to measure: this project's own, and adapters for other projects' endpoints.

An adapter reads any endpoint that sends this project's event JSON (an event, a list of events,
or a batch) in one of the five framings. It resumes with `since` only; events that an endpoint
does not deliver again after a cut are counted as lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from gettext import gettext as _
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import connect

from streaming.client import EventStreamParser
from transports.client import (
    CONNECT_TIMEOUT,
    Arrival,
    OpenHttp,
    check,
    check_status,
    http_client,
    query,
    resume,
)
from transports.events import Event, InvalidEvent
from transports.registry import BY_NAME

from .http_client import HttpxConnection
from .plan import Adapter


def follow(
    adapter: Adapter,
    base_url: str,
    room: str,
    *,
    interval: float,
    hold: float,
    http: OpenHttp = HttpxConnection,
) -> AsyncIterator[Event]:
    """Yield the events of `room` as they arrive; reconnect after an interruption."""
    options: dict[str, Any] = {
        "at once": {"interval": interval, "http": http},
        "with events": {"hold": hold, "http": http},
        "never": {},
    }[adapter.response_ends]
    if adapter.path is None:
        return BY_NAME[adapter.technique].events(base_url, room, **options)
    receive, path = _RECEIVERS[BY_NAME[adapter.technique].framing], adapter.path.format(room=room)
    return resume(lambda since: receive(base_url, path, since, **options), None)


def target(path: str, parameters: dict[str, Any]) -> str:
    """Return `path` with `parameters` added to its query."""
    if not parameters:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(parameters)}"


def events_in(document: Any) -> tuple[Event, ...]:
    """Return the events of `document`: an event, a list of events, or a batch.

    Raises `InvalidEvent`.
    """
    if isinstance(document, dict) and "events" in document:
        document = document["events"]
    items = document if isinstance(document, list) else [document]
    return tuple(Event.from_document(item) for item in items)


def _arrival(data: bytes | str, since: str | None) -> Arrival:
    """Return the events in `data`, and the batch's cursor or else the last event's id."""
    try:
        document = json.loads(data)
        events = events_in(document)
    except ValueError as error:
        text = _("Expected this project's event JSON; got {data}")
        raise InvalidEvent(text.format(data=repr(data[:200]))) from error
    cursor = document.get("cursor") if isinstance(document, dict) else None
    return events, cursor or (events[-1].id if events else since or "")


async def _poll(
    base_url: str,
    path: str,
    since: str | None,
    *,
    interval: float = 0.0,
    hold: float | None = None,
    http: OpenHttp = HttpxConnection,
) -> AsyncGenerator[Arrival, None]:
    wait = {} if hold is None else {"wait": f"{hold:g}"}
    async with http(base_url, None) as client:
        while True:
            response = await client.get(target(path, query(since or None, **wait)))
            if response.status != 200:
                check_status(response.status, response.headers.get("retry-after"), response.body)
            events, since = _arrival(response.body, since)
            yield events, since
            await asyncio.sleep(interval)


async def _lines(base_url: str, path: str, since: str | None) -> AsyncGenerator[Arrival, None]:
    async with (
        http_client(base_url) as http,
        http.stream("GET", path, params=query(since or None)) as response,
    ):
        await check(response)
        rest = b""
        async for data in response.aiter_bytes():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.strip():
                    yield _arrival(line, since)


async def _server_sent(
    base_url: str, path: str, since: str | None
) -> AsyncGenerator[Arrival, None]:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": since} if since else {})}
    async with (
        http_client(base_url, headers) as http,
        http.stream("GET", path) as response,
    ):
        await check(response)
        parser = EventStreamParser()
        async for data in response.aiter_bytes():
            for message in parser.feed(data):
                events, cursor = _arrival(message, since)
                yield events, parser.last_event_id or cursor


async def _socket(base_url: str, path: str, since: str | None) -> AsyncGenerator[Arrival, None]:
    url = "ws" + base_url.removeprefix("http").rstrip("/")
    url += target(path, query(since or None))
    async with connect(url, compression=None, open_timeout=CONNECT_TIMEOUT) as socket:
        async for message in socket:
            yield _arrival(message, since)


_RECEIVERS: dict[str, Callable[..., AsyncGenerator[Arrival, None]]] = {
    "batch": _poll,
    "lines": _lines,
    "event stream": _server_sent,
    "messages": _socket,
}
