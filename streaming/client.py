"""Python clients of streaming, in both framings: one response that never ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass, field

from transports.client import Arrival, BackOff, check, http_client, query, resume
from transports.events import Event


def events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    path: str = "/streaming/{room}/",
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`, received as newline-delimited JSON.

    Reconnects and resumes automatically. Raises `transports.client.Rejected`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        async with (
            http_client(base_url, headers) as http,
            http.stream("GET", path.format(room=room), params=query(cursor)) as response,
        ):
            await check(response)
            if cursor is None and "cursor" in response.headers:
                yield (), response.headers["cursor"]
            rest = b""
            async for data in response.aiter_bytes():
                # A chunk may end anywhere. Only a line feed ends a line: U+2028 is text.
                *lines, rest = (rest + data).split(b"\n")
                arrived = tuple(Event.decode(line) for line in lines if line)
                if arrived:
                    yield arrived, arrived[-1].id

    return resume(receive, since, back_off)


def sse_events(
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    back_off: BackOff | None = None,
    path: str = "/streaming/{room}/sse/",
) -> AsyncGenerator[Event, None]:
    """Yield the room's events after `since`, received as Server-Sent Events.

    Reconnects and resumes automatically, with Last-Event-ID as a browser does. Raises
    `transports.client.Rejected`.
    """

    async def receive(cursor: str | None) -> AsyncGenerator[Arrival, None]:
        request_headers = {"Accept": "text/event-stream"}
        if cursor is not None:
            request_headers["Last-Event-ID"] = cursor
        async with (
            http_client(base_url, headers) as http,
            http.stream("GET", path.format(room=room), headers=request_headers) as response,
        ):
            await check(response)
            parser = EventStreamParser()
            async for data in response.aiter_bytes():
                arrived = tuple(Event.decode(message) for message in parser.feed(data))
                if parser.last_event_id:
                    yield arrived, parser.last_event_id

    return resume(receive, since, back_off)


@dataclass
class EventStreamParser:
    """An incremental parser of event streams (WHATWG HTML §9.2.6), which yields messages' data.

    A message is complete only with its blank line; an incomplete one is discarded.
    """

    last_event_id: str = ""
    _rest: bytes = b""
    _started: bool = False
    _id: str = ""
    _data: list[bytes] = field(default_factory=list)

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        if not self._started:
            if len(self._rest) < 3 and b"\xef\xbb\xbf".startswith(self._rest):
                return
            self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        # A carriage return at the very end may be the first half of a CRLF.
        pending_return = b"\r" if self._rest.endswith(b"\r") else b""
        text = self._rest.removesuffix(pending_return) if pending_return else self._rest
        *lines, rest = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + pending_return
        for line in lines:
            if line:
                self._field(line)
            else:
                message, self._data = b"\n".join(self._data), []
                self.last_event_id = self._id
                if message:
                    yield message

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
