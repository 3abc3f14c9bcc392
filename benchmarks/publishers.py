"""Publishing events 0, 1, 2 … over one connection: at a fixed rate, or as fast as possible."""

from __future__ import annotations

import asyncio
import json
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from typing import Self

from benchmarks.framing import Unexpected, client_frame, length, post, status, text_of
from benchmarks.subscribers import Subscriber

Text = Callable[[int], str]
REQUESTS = 800  # on one connection, which Hypercorn closes after 1,000


class HttpPublisher:
    """A publisher by `POST /publish/<room>/` on one persistent connection, for the block.

    `published` is the number of the next event.
    """

    def __init__(self, port: int, room: str, text: Text = text_of) -> None:
        self.published = 0
        self._port = port
        self._path = f"/publish/{room}/"
        self._text = text
        self._answered = 0
        self._sent = 0  # requests on this connection
        self._all_answered = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _connect(self) -> None:
        self._sent = 0
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._listening = asyncio.create_task(self._listen())

    async def publish(self) -> None:
        """Send the next event without waiting for the response."""
        document = {"sender": "benchmark", "text": self._text(self.published)}
        body = json.dumps(document, ensure_ascii=False).encode()
        self._writer.write(post(self._path, "127.0.0.1", body, "application/json"))
        self.published += 1
        self._sent += 1
        await self._writer.drain()

    async def accepted(self) -> None:
        """Wait until the server has confirmed all events. Raises `Unexpected`."""
        self._all_answered.clear()
        if self._answered < self.published:
            waiting = asyncio.create_task(self._all_answered.wait())
            await asyncio.wait([waiting, self._listening], return_when=FIRST_COMPLETED)
            waiting.cancel()
        if self._listening.done():
            await self._listening  # raises
        if self._sent >= REQUESTS:
            await self._close()
            await self._connect()

    async def _listen(self) -> None:
        # Read while publishing: a server stops reading from a client that reads no responses.
        while True:
            code, body = await read_response(self._reader)
            if code != 201:
                raise Unexpected(f"expected 201 to a publish; got {code}: {body[:200]!r}")
            self._answered += 1
            if self._answered == self.published:
                self._all_answered.set()

    async def _close(self) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])
        self._writer.transport.abort()


class MessagePublisher:
    """A publisher over an open WebSocket; `payload` makes a message of each event's text."""

    def __init__(
        self, member: Subscriber, payload: Callable[[str], bytes], text: Text = text_of
    ) -> None:
        self.published = 0
        self._member = member
        self._payload = payload
        self._text = text

    async def publish(self) -> None:
        self._member.transport.write(client_frame(self._payload(self._text(self.published))))
        self.published += 1

    async def accepted(self) -> None:
        """Return at once: neither the tutorial's chat nor Socket.IO confirms messages."""


LoadPublisher = HttpPublisher | MessagePublisher


async def at_rate(count: int, rate: float, *publishers: LoadPublisher) -> None:
    """Publish `count` events at a fixed `rate` a second, by one publisher after the other."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        await asyncio.sleep(start + number / rate - loop.time())
        await publishers[number % len(publishers)].publish()


async def at_once(publisher: LoadPublisher, count: int) -> None:
    """Publish `count` events as fast as the connection takes them."""
    for _ in range(count):
        await publisher.publish()


async def read_response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read the status and the body of a response with Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    return status(head), await reader.readexactly(length(head))
