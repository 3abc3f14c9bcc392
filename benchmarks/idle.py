"""The memory and threads that idle connections take."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.ledger import Ledger
from benchmarks.servers import Server

FIRST = 100  # connections opened before the measurement: they allocate what is needed once


@dataclass(frozen=True)
class Idle:
    """`connections` are open. Memory is in bytes for each; at the end each got an event."""

    contestant: str
    connections: int
    resident: float
    unshared: float
    threads: int
    ledger: Ledger
    failures: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        return self.ledger.clean and not self.failures


async def idle(server: Server, contestant: Contestant, connections: int, room: str) -> Idle:
    """Open the connections, measure, and prove by an event that each is there."""
    async with contestant.open(server.port, room, FIRST) as (listeners, publisher):
        await server.settled()
        resident, unshared = server.resident, server.unshared
        await listeners.join(connections)
        await server.settled()
        resident, unshared = server.resident - resident, server.unshared - unshared
        threads = server.threads
        await publisher.publish()
        await listeners.complete(1)
        return Idle(
            contestant.name,
            connections + FIRST,
            resident / connections,
            unshared / connections,
            threads,
            listeners.ledger(1),
            tuple(sorted(set(listeners.failures))),
        )
