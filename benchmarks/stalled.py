"""A client that never reads, on a busy stream or socket: what the server keeps for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.framing import text_of
from benchmarks.ledger import Ledger
from benchmarks.publishers import http_publisher
from benchmarks.servers import Server
from benchmarks.subscribers import Audience, audience

TEXT = "한" * 1_990  # with its number, as long as an event's text may be: 6 kB
HISTORY_FILLED = 1_300  # events after which history and tail are as full as they get
RECEIVE_BUFFER = 4_096  # bytes that the client's side of the connection takes
STEP = 100  # events between two looks at the memory


@dataclass(frozen=True)
class Stalled:
    """`sent` bytes were published while the client did not read; `growth` is in bytes, at most.

    The ledger is that of another client, who read all the while. The one that did not is made to
    read on at the end, and has to be brought up to the last event.
    """

    contestant: str
    program: str
    sent: int
    growth: int
    ledger: Ledger
    failures: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        return self.ledger.clean and not self.failures


async def stalled(server: Server, contestant: Contestant, events: int, room: str) -> Stalled:
    """Publish `events` to a client that reads and to one that does not."""

    def text(number: int) -> str:
        return text_of(number, TEXT)

    framing = contestant.framed(server.port, room)
    deaf = Audience(framing, server.port)
    async with (
        audience(framing, server.port, 1) as listeners,
        http_publisher(server.port, room, text) as publisher,
    ):

        async def publish(count: int) -> int:
            """Return the most memory seen, in bytes."""
            most = 0
            for _ in range(count // STEP):
                for _ in range(STEP):
                    await publisher.publish()
                await publisher.accepted()
                await listeners.complete(publisher.published)
                most = max(most, server.resident)
            return most

        try:
            before = await publish(HISTORY_FILLED)
            client = await deaf.join_one(RECEIVE_BUFFER)
            client.transport.pause_reading()
            await asyncio.sleep(0)
            most = await publish(events)
            client.transport.resume_reading()
            kept = await deaf.tally.until(
                lambda: client.received[-1:] == [publisher.published - 1], patience=10
            )
        finally:
            deaf.close()
        failures = {*listeners.failures, *deaf.failures}
        if not kept:
            failures.add("the client that had not read was given up")
        return Stalled(
            contestant.name,
            contestant.program.module,
            events * len(text(0).encode()),
            max(0, most - before),
            listeners.ledger(publisher.published),
            tuple(sorted(failures)),
        )
