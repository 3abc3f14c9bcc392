"""Parsers of each technique's responses, which return the numbers of the events.

A broadcast sends the same bytes to every subscriber, so each result is cached. The load is far
cheaper than the server, but still reads every byte.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

CACHED = 1024  # cached parses

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Unexpected(Exception):
    """The server sent an unexpected response."""


class Parsed(NamedTuple):
    """The events' numbers, the number of bytes parsed, and the reply to the server.

    `joined`: the server has confirmed the subscription.
    """

    numbers: tuple[int, ...]
    used: int
    reply: bytes = b""
    joined: bool = False


class Framing:
    """The framing of events by one technique.

    `request` opens a connection. If one response has all events, `stream_status` is its expected
    status; otherwise None. `confirms`: a message of the server confirms the subscription;
    otherwise, the response's head does.
    """

    stream_status: int | None = None
    confirms = False

    def __init__(self, path: str, host: str) -> None:
        self.path, self.host = path, host
        self.request = get(path, host)
        self.parse: Callable[[bytes], Parsed] = lru_cache(CACHED)(self._parse)

    def connection(self) -> Framing:
        """Return a framing for one more connection: this one, unless it holds a session."""
        return self

    def _parse(self, data: bytes) -> Parsed:
        """Parse the complete events at the start of `data`. Raises `Unexpected`."""
        raise NotImplementedError


def text_of(number: int, padding: str = " The quick brown fox jumps over the lazy dog.") -> str:
    """Return the text of event `number`."""
    return f"{number:08d}{padding}"


def get(path: str, host: str, *fields: str) -> bytes:
    """Return a request head (RFC 9112 §3)."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


def status(head: bytes) -> int:
    match = _STATUS.match(head)
    if match is None:
        raise Unexpected(f"expected an HTTP response; got {head[:80]!r}")
    return int(match[1])


def post(path: str, host: str, body: bytes, content_type: str) -> bytes:
    """Return a request with a body."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def length(head: bytes) -> int:
    """Return the Content-Length of a response head that ends in an empty line."""
    match = _CONTENT_LENGTH.search(head)
    if match is None:
        raise Unexpected(f"expected a Content-Length; got {head[:200]!r}")
    return int(match[1])


def whole_response(data: bytes) -> tuple[bytes, int] | None:
    """Return the body of the response at the start of `data`, and its end; None if incomplete.

    Raise `Unexpected` unless the status is 200.
    """
    start = data.find(b"\r\n\r\n") + 4
    if start < 4:
        return None
    head = data[:start]
    if status(head) != 200:
        raise Unexpected(data[:400].decode(errors="replace"))
    if b"transfer-encoding: chunked" in head.lower():
        body = b""
        for chunk, end in chunks(data, start):
            if not chunk:
                return body, end
            body += chunk
        return None
    end = start + length(head)
    return (data[start:end], end) if len(data) >= end else None


def chunks(data: bytes, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield the complete chunks (RFC 9112 §7.1) in `data` from `offset`, and the end of each."""
    while (line := data.find(b"\r\n", offset)) >= 0:
        start, size = line + 2, int(data[offset:line], 16)
        offset = start + size + 2
        if len(data) < offset:
            return
        yield data[start : start + size], offset


def _numbers(document: Any) -> tuple[int, ...]:
    """Return the numbers in a batch, in an event, or in a peer's message.

    An event from another publisher has the number -1, which a ledger counts as a duplicate.
    """
    if "events" in document:
        return tuple(number for event in document["events"] for number in _numbers(event))
    text = document["text"] if "text" in document else document["message"]
    return (int(text[:8]) if text[:8].isdigit() else -1,)


class WebSocketFraming(Framing):
    """RFC 6455 §5.2, from the server: frames without a mask, each a whole message."""

    stream_status = 101

    def __init__(self, path: str, host: str) -> None:
        super().__init__(path, host)
        self.request = get(
            path,
            host,
            f"Origin: http://{host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        self._message = lru_cache(CACHED)(self._parse_message)

    def _parse(self, data: bytes) -> Parsed:
        numbers: list[int] = []
        used, reply, joined = 0, b"", False
        for opcode, payload, end in frames(data):
            used = end
            if opcode == 1:
                message = self._message(payload)
                numbers += message.numbers
                reply += client_frame(message.reply) if message.reply else b""
                joined = joined or message.joined
            elif opcode == 9:
                reply += client_frame(payload, 10)
            elif opcode != 10:
                raise Unexpected(f"unexpected opcode {opcode}: {payload[:80]!r}")
        return Parsed(tuple(numbers), used, reply, joined)

    def _parse_message(self, payload: bytes) -> Parsed:
        return Parsed(_numbers(json.loads(payload)), len(payload))


def frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the complete frames in `data`: opcode, payload, and the end of the frame."""
    offset = 0
    while len(data) >= offset + 2:
        size, start = data[offset + 1], offset + 2
        if size >= 126:
            start += 2 if size == 126 else 8
            size = int.from_bytes(data[offset + 2 : start])
        if len(data) < start + size:
            return
        opcode, offset = data[offset] & 15, start + size
        yield opcode, data[start:offset], offset


def client_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a frame to a server, masked (RFC 6455 §5.3) with a key of zeros."""
    size = len(payload)
    extended = b"" if size < 126 else size.to_bytes(2)
    return bytes([128 | opcode, 128 | (126 if extended else size)]) + extended + bytes(4) + payload


class LineFraming(Framing):
    """A chunked response of lines with JSON after `prefix`."""

    stream_status = 200

    prefix = b""
    end = b"\n"

    def __init__(self, path: str, host: str) -> None:
        super().__init__(path, host)
        self._line = lru_cache(CACHED)(self._parse_line)

    def _parse(self, data: bytes) -> Parsed:
        payload, used = b"", 0
        numbers: list[int] = []
        for chunk, end in chunks(data):
            if not chunk:
                raise Unexpected("the stream ended")
            payload += chunk
            if payload.endswith(self.end):  # otherwise an event continues in the next chunk
                for text in payload.splitlines():
                    numbers += self._line(text)
                payload, used = b"", end
        return Parsed(tuple(numbers), used)

    def _parse_line(self, line: bytes) -> tuple[int, ...]:
        document = line.removeprefix(self.prefix)
        return _numbers(json.loads(document)) if document.startswith(b"{") else ()


class ServerSentEventsFraming(LineFraming):
    """WHATWG HTML §9.2: the events' JSON is in `data:` lines; an empty line ends an event."""

    prefix = b"data: "
    end = b"\n\n"


class EventStreamFraming(ServerSentEventsFraming):
    """django-eventstream: the first event, `stream-open`, confirms the subscription."""

    confirms = True

    def _parse(self, data: bytes) -> Parsed:
        parsed = super()._parse(data)
        return parsed._replace(joined=b"event: stream-open\n" in data[: parsed.used])


class LongPollFraming(Framing):
    """A response to each request; the next request follows at once, from the new cursor."""

    def _parse(self, data: bytes) -> Parsed:
        response = whole_response(data)
        if response is None:
            return Parsed((), 0)
        body, end = response
        batch = json.loads(body)
        following = get(f"{self.path}?since={batch['cursor']}&wait=55", self.host)
        return Parsed(_numbers(batch), end, following)


# Engine.IO 4 and Socket.IO 5 over either transport: a packet begins with its types.
# https://socket.io/docs/v4/engine-io-protocol/, https://socket.io/docs/v4/socket-io-protocol/
ENGINE = "/socket.io/?EIO=4&transport="
SEPARATOR = b"\x1e"


def socket_io_packet(packet: bytes, room: str) -> Parsed:
    """Parse one packet; `reply` is the packet to answer with."""
    if packet.startswith(b"42"):
        return Parsed(_numbers(json.loads(packet[2:])[1]), len(packet))
    if packet.startswith(b"0"):
        return Parsed((), len(packet), b"40" + json.dumps({"room": room}).encode())
    if packet.startswith(b"40"):
        return Parsed((), len(packet), joined=True)
    if packet == b"2":
        return Parsed((), len(packet), b"3")
    raise Unexpected(f"expected a packet of Socket.IO; got {packet[:80]!r}")


class SocketIOFraming(WebSocketFraming):
    """Socket.IO over WebSocket: a packet in each message. `path` is the room."""

    confirms = True

    def __init__(self, path: str, host: str) -> None:
        super().__init__(f"{ENGINE}websocket", host)
        self._room = path

    def _parse_message(self, payload: bytes) -> Parsed:
        return socket_io_packet(payload, self._room)


class SocketIOPollingFraming(Framing):
    """Socket.IO over HTTP long polling: packets with a separator between them, in a response.

    The client sends by POST, here on the same connection between two polls.
    """

    confirms = True

    def __init__(self, path: str, host: str) -> None:
        super().__init__(f"{ENGINE}polling", host)
        self._room = path
        self._payload = lru_cache(CACHED)(self._parse_payload)

    def connection(self) -> SocketIOPollingFraming:
        framing = copy.copy(self)  # the cache of packets is shared, the session is not
        framing.parse = framing._parse
        return framing

    def _parse(self, data: bytes) -> Parsed:
        response = whole_response(data)
        if response is None:
            return Parsed((), 0)
        body, end = response
        if body.startswith(b"0"):
            self.path = f"{ENGINE}polling&sid={json.loads(body.split(SEPARATOR)[0][1:])['sid']}"
        payload = self._payload(body)
        if payload.reply:
            request = post(self.path, self.host, payload.reply, "text/plain;charset=UTF-8")
        else:
            request = get(self.path, self.host)
        return Parsed(payload.numbers, end, request, payload.joined)

    def _parse_payload(self, body: bytes) -> Parsed:
        if body == b"OK":  # a POST was accepted
            return Parsed((), len(body))
        packets = [socket_io_packet(packet, self._room) for packet in body.split(SEPARATOR)]
        return Parsed(
            tuple(number for packet in packets for number in packet.numbers),
            len(body),
            SEPARATOR.join(packet.reply for packet in packets if packet.reply),
            any(packet.joined for packet in packets),
        )


FRAMINGS: dict[str, Callable[[str, str], Framing]] = {
    "messages": WebSocketFraming,
    "event stream": ServerSentEventsFraming,
    "lines": LineFraming,
    "batch": LongPollFraming,
}
