"""The memory that a server uses for a client that does not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.framing import Framing, text_of
from benchmarks.ledger import Audited, DeliveryLedger, Tally
from benchmarks.servers import Server
from benchmarks.subscribers import Subscriber

TEXT = "한" * 1_990  # the longest text of an event (6 kB), with the number before it
HISTORY_FILLED = 1_300  # events that fill history and tail
RECEIVE_BUFFER = 4_096  # bytes of the client's receive buffer
STEP = 100  # events between two measurements of the memory
CATCHING_UP = 20.0  # seconds until a client that reads again must have caught up


@dataclass(frozen=True)
class Stalled(Audited):
    """The figures of a client that does not read.

    `sent` bytes were published while it did not read, and memory grew by at most `growth` bytes.
    The ledger is of another client, which reads all the time. The first client reads again at the
    end, and must receive the last event.
    """

    contestant: str
    sent: int
    growth: int
    ledger: DeliveryLedger
    failures: tuple[str, ...] = ()


async def stalled(server: Server, contestant: Contestant, events: int, room: str) -> Stalled:
    """Publish `events` to a client that reads and to one that does not."""

    def text(number: int) -> str:
        return text_of(number, TEXT)

    failures: list[str] = []
    async with contestant.open(server.port, room, 1, text) as (listeners, publisher):

        async def publish(count: int) -> int:
            """Publish `count` events or until one is lost; return the maximum memory, in bytes."""
            maximum = 0
            for _ in range(count // STEP):
                for _ in range(STEP):
                    await publisher.publish()
                await publisher.accepted()
                if not await listeners.complete(publisher.published):
                    break
                maximum = max(maximum, server.resident)
            return maximum

        before = await publish(HISTORY_FILLED)
        async with _paused(contestant.framed(server.port, room), server.port) as client:
            maximum = await publish(events)
            if not await _catches_up(client, publisher.published - 1):
                failures.append(client.failure or "the last event did not arrive")
        return Stalled(
            contestant.name,
            events * len(text(0).encode()),
            max(0, maximum - before),
            listeners.ledger(publisher.published),
            (*failures, *listeners.failures),
        )


@asynccontextmanager
async def _paused(framing: Framing, port: int) -> AsyncIterator[Subscriber]:
    """Open a subscriber that stops reading once it has joined."""
    client = socket.socket()
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    _, subscriber = await loop.create_connection(lambda: Subscriber(framing, Tally()), sock=client)
    try:
        await subscriber.opened
        subscriber.transport.pause_reading()
        yield subscriber
    finally:
        subscriber.close()


async def _catches_up(client: Subscriber, last: int) -> bool:
    """Resume reading; return whether event `last` arrives."""
    receiving: socket.socket = client.transport.get_extra_info("socket")
    receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client.transport.resume_reading()
    deadline = asyncio.get_running_loop().time() + CATCHING_UP
    while client.received[-1:] != [last]:
        if client.failure or asyncio.get_running_loop().time() > deadline:
            return False
        await client.tally.reach(client.tally.count + 1, patience=1.0)
    return True
