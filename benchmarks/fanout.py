"""One publisher, many subscribers: the CPU time of the server for each delivery."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.ledger import Audited, DeliveryLedger
from benchmarks.publishers import at_once, at_rate
from benchmarks.servers import Server


@dataclass(frozen=True)
class Load:
    """A load of `events` events at `rate` a second (None: as fast as possible).

    `warm_up` events are published before, at 10 a second.
    """

    name: str
    subscribers: int
    rate: float | None
    events: int
    warm_up: int = 10


@dataclass(frozen=True)
class Fanout(Audited):
    """The figures of one run. `seconds` is from the first publish to the last delivery."""

    contestant: str
    load: Load
    ledger: DeliveryLedger
    cpu: float
    seconds: float
    load_cpu: float
    receipts: int
    failures: tuple[str, ...] = ()

    @property
    def deliveries(self) -> int:
        return self.load.subscribers * self.load.events

    @property
    def cost(self) -> float:
        """CPU milliseconds of the server for 1,000 deliveries."""
        return self.cpu * 1e6 / self.deliveries

    @property
    def capacity(self) -> float:
        """Deliveries in a second of the server's CPU time: the capacity of one core."""
        return self.deliveries / self.cpu

    @property
    def at_a_time(self) -> float:
        """Mean number of events that a subscriber received at once: over 1 if either side was late.

        Long polling then costs less for each event, since there are fewer requests.
        """
        return self.deliveries / max(1, self.receipts)

    @property
    def server_busy(self) -> float:
        """The share of a core that the server used."""
        return self.cpu / self.seconds


async def fanout(server: Server, contestant: Contestant, load: Load, room: str) -> Fanout:
    """Publish `load`, wait for every delivery, and count them in the ledger."""
    async with contestant.open(server.port, room, load.subscribers) as (listeners, publisher):
        await at_rate(load.warm_up, 10, publisher)
        await listeners.complete(publisher.published)
        await server.settled()
        receipts = listeners.tally.receipts
        cpu, load_cpu, start = server.cpu, time.process_time(), time.perf_counter()
        if load.rate is None:
            await at_once(publisher, load.events)
        else:
            await at_rate(load.events, load.rate, publisher)
        complete = await listeners.complete(publisher.published)
        seconds = time.perf_counter() - start
        cpu, load_cpu = server.cpu - cpu, time.process_time() - load_cpu
        receipts = listeners.tally.receipts - receipts
        if complete:
            await publisher.accepted()
            await server.settled()  # a duplicate may still arrive
        return Fanout(
            contestant.name,
            load,
            listeners.ledger(publisher.published),
            cpu,
            seconds,
            load_cpu,
            receipts,
            tuple(sorted(set(listeners.failures))),
        )
