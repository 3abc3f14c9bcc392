"""The memory and threads of idle connections."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.ledger import Audited, DeliveryLedger
from benchmarks.servers import Server

FIRST = 100  # connections opened before the measurement, for one-time allocations


@dataclass(frozen=True)
class IdleCost(Audited):
    """The figures of `connections` idle connections. Memory is in bytes for each."""

    contestant: str
    connections: int
    resident: float
    unshared: float
    threads: int
    ledger: DeliveryLedger
    failures: tuple[str, ...] = ()


async def idle(server: Server, contestant: Contestant, connections: int, room: str) -> IdleCost:
    """Open the connections, measure, and check with an event that each is connected."""
    async with contestant.open(server.port, room, FIRST) as (listeners, publisher):
        await server.settled()
        resident, unshared = server.resident, server.unshared
        await listeners.join(connections)
        await server.settled()
        resident, unshared = server.resident - resident, server.unshared - unshared
        threads = server.threads
        await publisher.publish()
        await listeners.complete(1)
        return IdleCost(
            contestant.name,
            connections + FIRST,
            resident / connections,
            unshared / connections,
            threads,
            listeners.ledger(1),
            tuple(sorted(set(listeners.failures))),
        )
