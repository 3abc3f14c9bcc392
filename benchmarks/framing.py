"""What arrives on a connection, parsed to the numbers of the events in it.

A broadcast brings every subscriber the same bytes, so that what is parsed once need not be
parsed again: the load stays far cheaper than the server it measures, and still sees every byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

REMEMBERED = 1024  # pieces of data whose parsing is remembered

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Unexpected(Exception):
    """The server sent something that it should not have."""


class Parsed(NamedTuple):
    """The events' numbers, how many bytes they took, and what to answer the server."""

    numbers: tuple[int, ...]
    used: int
    reply: bytes = b""


class Framing(Protocol):
    """How one technique frames events. `request` opens it; `head` is its one response's status,
    or None where each event comes in a response of its own."""

    request: bytes
    head: int | None

    def parse(self, data: bytes) -> Parsed: ...


def text_of(number: int, padding: str = " The quick brown fox jumps over the lazy dog.") -> str:
    """The text of event `number`."""
    return f"{number:08d}{padding}"


def get(path: str, host: str, *fields: str) -> bytes:
    """A request head (RFC 9112 §3)."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


def status(head: bytes) -> int:
    found = _STATUS.match(head)
    if found is None:
        raise Unexpected(f"not a response: {head[:80]!r}")
    return int(found[1])


def length(head: bytes) -> int:
    """The Content-Length of a response head that ends in an empty line."""
    found = _CONTENT_LENGTH.search(head)
    if found is None:
        raise Unexpected(f"a response without Content-Length: {head[:200]!r}")
    return int(found[1])


def _numbers(document: Any) -> tuple[int, ...]:
    """The numbers in a batch, in an event, or in a message of the tutorial's chat.

    An event that is not of the load's own making counts as -1, which no ledger expects.
    """
    if "events" in document:
        return tuple(number for event in document["events"] for number in _numbers(event))
    text = document["text"] if "text" in document else document["message"]
    return (int(text[:8]) if text[:8].isdigit() else -1,)


class WebSocketFraming:
    """RFC 6455 §5.2, from the server: frames without a mask, each a whole message."""

    head: int | None = 101

    def __init__(self, path: str, host: str) -> None:
        self.request = get(
            path,
            host,
            f"Origin: http://{host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        self.parse = lru_cache(REMEMBERED)(self._parse)
        self._text = lru_cache(REMEMBERED)(self._text_frame)

    def _parse(self, data: bytes) -> Parsed:
        numbers: list[int] = []
        used, reply = 0, b""
        for opcode, payload, end in frames(data):
            used = end
            if opcode == 1:
                numbers += self._text(payload)
            elif opcode == 9:
                reply += client_frame(payload, 10)
            elif opcode != 10:
                raise Unexpected(f"a frame of opcode {opcode}: {payload[:80]!r}")
        return Parsed(tuple(numbers), used, reply)

    @staticmethod
    def _text_frame(payload: bytes) -> tuple[int, ...]:
        return _numbers(json.loads(payload))


def frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The whole frames in `data`: opcode, payload, and where the frame ends."""
    at = 0
    while len(data) >= at + 2:
        size, start = data[at + 1], at + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[at + 2 : start])
        if len(data) < start + size:
            return
        opcode, at = data[at] & 15, start + size
        yield opcode, data[start:at], at


def client_frame(payload: bytes, opcode: int = 1) -> bytes:
    """A frame to a server, masked as it must be (§5.3), here with a key of zeros."""
    size = len(payload)
    extended = b"" if size < 126 else size.to_bytes(2)
    return bytes([128 | opcode, 128 | (126 if extended else size)]) + extended + bytes(4) + payload


class LineFraming:
    """A chunked response (RFC 9112 §7.1) of lines that carry JSON behind `prefix`."""

    head: int | None = 200

    def __init__(self, path: str, host: str, prefix: bytes = b"", end: bytes = b"\n") -> None:
        self.request = get(path, host)
        self._prefix = prefix
        self._end = end
        self.parse = lru_cache(REMEMBERED)(self._parse)
        self._line = lru_cache(REMEMBERED)(self._parse_line)

    def _parse(self, data: bytes) -> Parsed:
        payload, used, at = b"", 0, 0
        numbers: list[int] = []
        while (line := data.find(b"\r\n", at)) >= 0:
            start, size = line + 2, int(data[at:line], 16)
            at = start + size + 2
            if len(data) < at:
                break
            if not size:
                raise Unexpected("the stream ended")
            payload += data[start : start + size]
            if payload.endswith(self._end):  # else an event goes on in the next chunk
                for text in payload.splitlines():
                    numbers += self._line(text)
                payload, used = b"", at
        return Parsed(tuple(numbers), used)

    def _parse_line(self, line: bytes) -> tuple[int, ...]:
        document = line.removeprefix(self._prefix)
        return _numbers(json.loads(document)) if document.startswith(b"{") else ()


class ServerSentEventsFraming(LineFraming):
    """WHATWG HTML §9.2: the events' JSON is in `data:` lines; an empty line ends an event."""

    def __init__(self, path: str, host: str) -> None:
        super().__init__(path, host, b"data: ", b"\n\n")


class LongPollFraming:
    """A response to each request; the next request follows at once, from its cursor on."""

    head: int | None = None

    def __init__(self, path: str, host: str) -> None:
        self.request = get(path, host)
        self._path = path
        self._host = host
        self.parse = lru_cache(REMEMBERED)(self._parse)

    def _parse(self, data: bytes) -> Parsed:
        start = data.find(b"\r\n\r\n") + 4
        if start < 4 or len(data) < (end := start + length(data[:start])):
            return Parsed((), 0)
        if status(data) != 200:
            raise Unexpected(data[:400].decode(errors="replace"))
        batch = json.loads(data[start:end])
        following = get(f"{self._path}?since={batch['cursor']}&wait=55", self._host)
        return Parsed(_numbers(batch), end, following)


FRAMINGS: dict[str, Callable[[str, str], Framing]] = {
    "messages": WebSocketFraming,
    "event stream": ServerSentEventsFraming,
    "lines": LineFraming,
    "batch": LongPollFraming,
}
