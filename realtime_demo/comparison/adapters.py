"""Clients to measure: this project's own, or adapters to someone else's endpoint.

An adapter fits any endpoint that carries our event JSON (an event, a list of them, or a
batch) in one of the four framings. It has a path of its own, and no resumption beyond
`since`: what a cut loses then shows in the ledger as lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
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

from .asker import Asker

FRAMINGS = ("polling", "longpoll", "streaming", "sse", "websocket")


@dataclass(frozen=True)
class Adapter:
    """One column of the comparison.

    `technique` says how the theory sees it; `path` (with `{room}`) is None for this project's
    own endpoint, which the project's own Python clients follow. Those that ask again and
    again do it through `Asker`, which says why.
    """

    name: str
    technique: str
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """`sse` (ours), or `sse=/events/{room}/` (theirs). Raises `ValueError`."""
        name, equals, path = text.partition("=")
        if not equals:
            if name not in BY_NAME:
                known = ", ".join(BY_NAME)
                raise ValueError(f"No technique is called {name!r}; there are {known}.")
            return cls(name, name)
        if name not in FRAMINGS or not path.startswith("/"):
            raise ValueError(
                f"An adapter looks like sse=/events/{{room}}/, with one of "
                f"{', '.join(FRAMINGS)}; got {text!r}."
            )
        return cls(f"{name} {path}", name, path)

    def events(
        self, base_url: str, room: str, *, interval: float, hold: float, http: OpenHttp = Asker
    ) -> AsyncIterator[Event]:
        """The events of `room` as they arrive, reconnecting."""
        options: dict[str, Any] = {}
        if self.technique == "polling":
            options = {"interval": interval, "http": http}
        elif self.technique == "longpoll":
            options = {"hold": hold, "http": http}
        if self.path is None:
            return BY_NAME[self.technique].events(base_url, room, **options)
        receive = _RECEIVERS[self.technique]
        path = self.path.format(room=room)
        return resume(lambda since: receive(base_url, path, since, **options), None)


def target(path: str, parameters: dict[str, Any]) -> str:
    """`path` with its query."""
    if not parameters:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(parameters)}"


def events_in(document: Any) -> tuple[Event, ...]:
    """The events of an event, a list of events or a batch. Raises `InvalidEvent`."""
    if isinstance(document, dict) and "events" in document:
        document = document["events"]
    items = document if isinstance(document, list) else [document]
    return tuple(Event.from_document(item) for item in items)


def _arrival(data: bytes | str, since: str | None) -> Arrival:
    """The events in `data`, and the cursor behind them: a batch's own, or the last event's id."""
    try:
        document = json.loads(data)
        events = events_in(document)
    except ValueError as error:
        raise InvalidEvent(f"Not our event JSON: {data[:200]!r}") from error
    cursor = document.get("cursor") if isinstance(document, dict) else None
    return events, cursor or (events[-1].id if events else since or "")


async def _poll(
    base_url: str,
    path: str,
    since: str | None,
    *,
    interval: float = 0.0,
    hold: float | None = None,
    http: OpenHttp = Asker,
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
    asking = {"Accept": "text/event-stream", **({"Last-Event-ID": since} if since else {})}
    async with (
        http_client(base_url, asking) as http,
        http.stream("GET", path) as response,
    ):
        await check(response)
        parser = EventStreamParser()
        async for data in response.aiter_bytes():
            for message in parser.feed(data):
                events, behind = _arrival(message, since)
                yield events, parser.last_event_id or behind


async def _socket(base_url: str, path: str, since: str | None) -> AsyncGenerator[Arrival, None]:
    url = "ws" + base_url.removeprefix("http").rstrip("/")
    url += target(path, query(since or None))
    async with connect(url, compression=None, open_timeout=CONNECT_TIMEOUT) as socket:
        async for message in socket:
            yield _arrival(message, since)


_RECEIVERS: dict[str, Callable[..., AsyncGenerator[Arrival, None]]] = {
    "polling": _poll,
    "longpoll": _poll,
    "streaming": _lines,
    "sse": _server_sent,
    "websocket": _socket,
}
