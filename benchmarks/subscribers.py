"""Subscribers on plain sockets, as cheap as possible, and the ledger of their deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.framing import Framing, Unexpected, status

AT_ONCE = 50  # connections that are opened at the same time
OPENING = 60.0  # seconds until a connection must be open


@dataclass(frozen=True)
class DeliveryLedger:
    """Counts of a run's deliveries of events 0, 1, 2 …, over all subscribers."""

    expected: int = 0
    received: int = 0
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0

    @classmethod
    def of(cls, published: int, received: Iterable[Sequence[int]]) -> DeliveryLedger:
        """Compare the published events with each subscriber's event numbers, in order of arrival.

        A number that was not published counts as a duplicate; a number after a higher one, unless
        it is a duplicate, as out of order.
        """
        subscribers = [list(numbers) for numbers in received]
        complete = list(range(published))
        lost = duplicated = out_of_order = 0
        for numbers in subscribers:
            if numbers == complete:
                continue
            seen: set[int] = set()
            highest = -1
            for number in numbers:
                if number in seen or not 0 <= number < published:
                    duplicated += 1
                elif number < highest:
                    out_of_order += 1
                seen.add(number)
                highest = max(highest, number)
            lost += published - len(seen.intersection(complete))
        return cls(
            expected=published * len(subscribers),
            received=sum(map(len, subscribers)),
            lost=lost,
            duplicated=duplicated,
            out_of_order=out_of_order,
        )

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order)

    def __str__(self) -> str:
        return f"{self.lost} lost, {self.duplicated} duplicated, {self.out_of_order} out of order"


class Tally:
    """A counter of deliveries that callers can wait for."""

    def __init__(self) -> None:
        self.count = 0
        self.receipts = 0  # received chunks that contained deliveries
        self._goal = 0
        self._reached = asyncio.Event()

    def add(self, deliveries: int) -> None:
        self.count += deliveries
        self.receipts += 1
        if self.count >= self._goal:
            self._reached.set()

    async def reach(self, goal: int, patience: float) -> bool:
        """Wait for `goal` deliveries in all; return False after `patience` seconds without any."""
        self._goal = goal
        while self.count < goal:
            self._reached.clear()
            before = self.count
            try:
                async with asyncio.timeout(patience):
                    await self._reached.wait()
            except TimeoutError:
                if self.count == before:
                    return False
        return True


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
