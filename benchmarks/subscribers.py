"""Subscribers on plain sockets, as cheap as possible, so that the server is the bottleneck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.framing import Framing, Unexpected, status
from benchmarks.ledger import DeliveryLedger, Tally

AT_ONCE = 50  # connections that are opened at the same time
OPENING = 60.0  # seconds until a connection must be open


class Subscriber(asyncio.Protocol):
    """One connection, and the numbers of the events received on it, in order.

    `opened` is done when the server has confirmed the subscription, by the head of its response
    or by a message; at once if it does neither.
    """

    transport: asyncio.Transport

    def __init__(self, framing: Framing, tally: Tally) -> None:
        self.received: list[int] = []
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failure = ""
        self._framing = framing.connection()
        self.tally = tally
        self._rest = b""
        self._has_head = framing.stream_status is None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._framing.request)
        if self._has_head and not self._framing.confirms:
            self.opened.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        try:
            if not self._has_head:
                self._take_head()
            while self._rest and self._has_head and self._take(self._rest):
                pass
        except (Unexpected, ValueError, KeyError) as error:
            self._fail(repr(error))
            self.transport.abort()

    def _take(self, data: bytes) -> int:
        """Parse the complete events in `data`; return the number of bytes used."""
        parsed = self._framing.parse(data)
        self._rest = data[parsed.used :]
        if parsed.reply:
            self.transport.write(parsed.reply)
        if parsed.joined and not self.opened.done():
            self.opened.set_result(None)
        if parsed.numbers:
            self.received += parsed.numbers
            self.tally.add(len(parsed.numbers))
        return parsed.used

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closed:
            self._fail("the server closed the connection")

    def _take_head(self) -> None:
        """Parse the head of the response, if it is complete."""
        end = self._rest.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        if status(self._rest) != self._framing.stream_status:
            raise Unexpected(self._rest[:400].decode(errors="replace"))
        self._rest = self._rest[end:]
        self._has_head = True
        if not self._framing.confirms:
            self.opened.set_result(None)

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        if not self.opened.done():
            self.opened.set_exception(Unexpected(reason))

    def close(self) -> None:
        self._closed = True
        self.transport.abort()


class SubscriberGroup:
    """Subscribers of one room."""

    def __init__(self, framing: Framing, port: int) -> None:
        self.members: list[Subscriber] = []
        self.tally = Tally()
        self._framing = framing
        self._port = port

    async def join(self, count: int) -> None:
        """Open `count` more connections.

        Raises an `ExceptionGroup` of `Unexpected` if the server rejects one.
        """
        slots, loop = asyncio.Semaphore(AT_ONCE), asyncio.get_running_loop()

        async def open_one() -> None:
            async with slots, asyncio.timeout(OPENING):
                _, member = await loop.create_connection(
                    lambda: Subscriber(self._framing, self.tally), "127.0.0.1", self._port
                )
                self.members.append(member)
                await member.opened

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(open_one())

    async def complete(self, published: int, patience: float = 10.0) -> bool:
        """Wait until each member has `published` events; return False if they stop arriving."""
        return await self.tally.reach(published * len(self.members), patience)

    def ledger(self, published: int) -> DeliveryLedger:
        return DeliveryLedger.of(published, [member.received for member in self.members])

    @property
    def failures(self) -> list[str]:
        return [member.failure for member in self.members if member.failure]

    async def close(self) -> None:
        for member in self.members:
            member.close()
        await asyncio.sleep(0)  # the event loop closes sockets in its next iteration


@asynccontextmanager
async def subscriber_group(
    framing: Framing, port: int, count: int
) -> AsyncIterator[SubscriberGroup]:
    """Open `count` subscribers for the block."""
    listeners = SubscriberGroup(framing, port)
    try:
        await listeners.join(count)
        yield listeners
    finally:
        await listeners.close()
