"""Servers that answer wrongly: together they fail every conformance case."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.raw_server import serving

# Returns the bytes to send in response to the n-th bytes received on a connection.
Answer = Callable[[bytes, int], bytes]
DELAY = 0.05  # seconds


class Last(bytes):
    """Bytes after which the server closes the connection."""


@dataclass(frozen=True)
class WrongServer:
    """A server that responds with `answer`, for the cases whose ids begin with one of `sections`.

    With `half_close`, it does not respond to a client that has closed its side of the connection.
    """

    name: str
    answer: Answer
    sections: tuple[str, ...]
    half_close: bool = False
    at_once: int = 50  # cases that run concurrently

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        """Serve on a free port, which is yielded, while the block lasts."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            count = 0
            while data := await reader.read(1 << 20):
                if self.half_close:
                    await asyncio.sleep(DELAY)  # so that the end arrives
                    if reader.at_eof():
                        break
                count += 1
                reply = self.answer(data, count)
                writer.write(reply)
                await writer.drain()
                if isinstance(reply, Last):
                    break

        async with serving(handle) as port:
            yield port


def response(status: int, *fields: str, body: str = "{}") -> bytes:
    data = body.encode()
    lines = [f"HTTP/1.1 {status} X", *fields, f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


PLAIN = re.compile(
    rb"GET /[^ ?]*(\?wait=0\.5)? HTTP/1\.1\r\n"
    rb"Host: 127\.0\.0\.1:\d+\r\n"
    rb"User-Agent: conformance\r\n\r\n"
)


def always(status: int, *fields: str) -> Answer:
    return lambda data, count: response(status, *fields)


def plain_only(data: bytes, count: int) -> bytes:
    return response(200 if PLAIN.fullmatch(data) else 500)


def one_poll() -> Answer:
    """Return an answer of 200 to the server's very first GET, and of 500 to every other request."""
    statuses = itertools.chain([200], itertools.repeat(500))
    return lambda data, count: response(next(statuses) if data.startswith(b"GET") else 500)


def misframed(data: bytes, count: int) -> bytes:
    head = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\nDate: now\r\n\r\n"
    )
    return Last(head + b"2\r\n{}\r\n0\r\n\r\nmore")


def first_only(data: bytes, count: int) -> bytes:
    """Answer 200 to the first request on a connection, and 500 to the others, pipelined or not."""
    requests = data.count(b"HTTP/1.1\r\n")
    return response(200 if count == 1 else 500) + response(500) * (requests - 1)


def continue_unless_plain(data: bytes, count: int) -> bytes:
    return response(200) if PLAIN.fullmatch(data) else b"HTTP/1.1 100 Continue\r\n\r\n"


def stream(kind: str, body: bytes) -> Answer:
    """Return an endless stream that begins with `body`."""
    return lambda data, count: b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\n" % kind.encode() + body


WRONG_EVENTS = (
    b"data: before any id\n\n"
    b"id: 1\ndata: x\n\n"
    b"\xef\xbb\xbfdata: a second byte order mark\n\n"
    b"Data: upper case\nretry: soon\n\n"
    b"retry: 5\nid: a\0b\n\n"
    b"id: \xed\x95\x9c\ndata: x\n\n"
    b"event: without data\n\n"
    b"id: 1\ndata: the same id, and not UTF-8: \xff\n\n"
)
WRONG_LINES = (
    b"\xef\xbb\xbf{}\n"
    b"{} {}\n"
    b"not json, and not UTF-8: \xff\n"
    b'{"a": NaN}\n'
    b'{"a": 1, "a": 2}\n'
    b'{"a": "\\ud800"}\n' + '{"a": "\u2028 \u2029 \x85"}\n'.encode() + b'{"whole": "but not ended"}'
)


def switching(data: bytes, *fields: str, accept: str = "") -> bytes:
    """Return a 101; `accept` replaces the right Sec-WebSocket-Accept."""
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", data, re.IGNORECASE)
    text = (key[1] if key else b"") + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    expected = base64.b64encode(hashlib.sha1(text).digest()).decode()
    lines = ["HTTP/1.1 101 X", f"Sec-WebSocket-Accept: {accept or expected}", *fields, "", ""]
    return "\r\n".join(lines).encode()


UPGRADED = ("Upgrade: websocket", "Connection: Upgrade")


def ignoring_socket(data: bytes, count: int) -> bytes:
    return switching(data, *UPGRADED) if count == 1 else b""


def echoing_socket(data: bytes, count: int) -> bytes:
    """Open a WebSocket that sends each frame back as it came, masked."""
    return switching(data, *UPGRADED) if count == 1 else data


def careless_socket(data: bytes, count: int) -> bytes:
    """Open a WebSocket for every request, with an extension and a subprotocol not offered."""
    extras = ("Sec-WebSocket-Extensions: x-extra", "Sec-WebSocket-Protocol: x-extra")
    return switching(data, *extras, accept="wrong")


NUMBERS = itertools.count()
EVENT = {
    "id": "e-7",
    "type": "message",
    "room": "other",
    "sender": "other",
    "text": "\u2028\u2029\x85",
    "published_at": "now",
}


def wrong_feed(data: bytes, count: int) -> bytes:
    """Publish and deliver, but the wrong events, and reject nothing."""
    event = json.dumps(EVENT, ensure_ascii=False)
    batch = json.dumps({"events": [EVENT] * 8}, ensure_ascii=False)
    if count > 1:
        return b'\x81\x10{"type":"error"}'
    if data.startswith(b"POST"):
        return response(201, body=json.dumps({**EVENT, "id": f"e-{next(NUMBERS)}"}))
    if b"/websocket/" in data:
        payload = batch.encode()
        return switching(data, *UPGRADED) + b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
    if b"/sse/" in data:
        return b"HTTP/1.1 200 OK\r\n\r\n" + f"data: {event}\n\n".encode() * 8
    if b"/streaming/" in data:
        return b"HTTP/1.1 200 OK\r\n\r\n" + f"{event}\n".encode() * 8
    return response(200, body=batch)


HTTP = ("rfc9112", "rfc9110", "headers")
STATUS = ("sse/9.2.2", "ndjson/3/status", "rfc6202/2.1/response")
HANDSHAKE = ("rfc6455/4",)
ACCEPTED = (
    "rfc6455/4.2.1",
    "rfc6455/4.2.2/version",
    "rfc6455/9.1",
    "rfc9110/7.8/websocket-in-a-list",
)
FRAMES = ("rfc6455/5", "rfc6455/7", "rfc6455/8", "rfc6455/10")
HALF_CLOSED = ("rfc9112/9.6/half-close", "rfc9112/9.6/half-closed-poll")
SILENT = ("rfc6202/5.5", "rfc9110/10.1.1/continue")
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


# Cases of frames fail trivially if no socket opens, and cases of events if publishing fails: so
# the `sections` of such a server leave those cases out.
def wrong_servers() -> list[WrongServer]:
    """Return new servers: one with `one_poll` can answer 200 only once."""
    return [
        WrongServer("200 always, and the connection stays open", always(200), (*HTTP, "rfc6202")),
        WrongServer("500 unless the request is plain", plain_only, (*HTTP, "sse/9.2.4")),
        WrongServer("500 always", always(500), (*HTTP, *STATUS)),
        WrongServer("405 always", always(405), (*HTTP, *ACCEPTED)),
        WrongServer("misframed", misframed, HTTP),
        WrongServer("500 after the first request", first_only, (*HTTP, "rfc6202")),
        WrongServer("100 unless the request is plain", continue_unless_plain, HTTP),
        WrongServer("101 always", careless_socket, (*HTTP, *HANDSHAKE)),
        WrongServer("nothing", lambda data, count: b"", SILENT),
        WrongServer("nothing after a half-close", always(200), HALF_CLOSED, half_close=True),
        WrongServer("other origins", always(200, "Access-Control-Allow-Origin: x"), HTTP),
        WrongServer("compressed", always(200, "Content-Encoding: identity, gzip"), HTTP),
        WrongServer("wrong events", stream("text/event-stream", WRONG_EVENTS), ("sse",)),
        WrongServer("no blank line", stream("text/plain", b"data: x\n"), ("sse",)),
        WrongServer(
            "a stream that ends", lambda data, count: Last(HEAD + b"{}"), ("sse", "rfc6202/2.2")
        ),
        WrongServer("wrong lines", stream("text/plain", WRONG_LINES), ("ndjson", "rfc8259")),
        WrongServer("no line feed", stream("text/plain", b"{}"), ("ndjson",)),
        WrongServer("one poll alone is answered 200", one_poll(), ("rfc6202",), at_once=1),
        WrongServer("ignores frames", ignoring_socket, FRAMES),
        WrongServer("sends frames back, masked", echoing_socket, FRAMES),
        WrongServer("wrong feed", wrong_feed, ("contract",)),
    ]
