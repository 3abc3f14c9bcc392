"""One publisher, one subscriber: the delay of an event."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.ledger import Audited, DeliveryLedger
from benchmarks.servers import Server

WARM_UP = 50  # events


@dataclass(frozen=True)
class OneToOne(Audited):
    """The median time from sending a publish to receiving its event, in seconds."""

    contestant: str
    events: int
    median: float
    ledger: DeliveryLedger
    failures: tuple[str, ...] = ()


async def one_to_one(server: Server, contestant: Contestant, events: int, room: str) -> OneToOne:
    """Publish one event at a time, each once the previous one has been received."""
    delays = []
    async with contestant.open(server.port, room, 1) as (listeners, publisher):
        await server.settled()
        for number in range(WARM_UP + events):
            start = time.perf_counter()
            await publisher.publish()
            if not await listeners.complete(number + 1):
                break
            delays.append(time.perf_counter() - start)
            await publisher.accepted()
        return OneToOne(
            contestant.name,
            events,
            statistics.median(delays[WARM_UP:] or [0.0]),
            listeners.ledger(publisher.published),
            tuple(listeners.failures),
        )
