"""One phase of a run: the server, one room, and the clients of one technique, or of all."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

from .host import cpu_seconds
from .plan import Adapter, Progress, Report, Settings, phases
from .publisher import Accepted, Publisher
from .results import Sample
from .subscribers import Mark, Orders, RequestProbe, Subscribers
from .workers import ForkServer, Worker

PROBES = 10  # publishes, of which the quickest tells the clocks apart
BASELINE = 40  # events published to nobody, to know what publishing alone costs
PER_PROCESS = 50  # clients in one subscriber process

R = TypeVar("R")


class MeasurementFailed(Exception):
    """The run cannot give figures: a client never connected, or nothing was accepted."""


def wall_zero() -> float:
    """What the wall clock showed when the monotonic clock showed 0, in Unix seconds."""
    before = time.monotonic()
    wall = time.time()
    return wall - (before + time.monotonic()) / 2


@dataclass(frozen=True)
class Clock:
    """`offset`: the server's wall clock minus this host's, known to ± `uncertainty` (seconds).

    An asymmetric path adds half its asymmetry to the offset, which no exchange of messages
    can tell; half the round trip bounds it.
    """

    offset: float = 0.0
    uncertainty: float = 0.0
    zero: float = field(default_factory=wall_zero)

    @classmethod
    def of(cls, probes: Sequence[Accepted]) -> Clock:
        """From publishes: the one with the lowest round trip has waited in the fewest queues
        (Cristian, Distributed Computing 3, 1989)."""
        clock = cls()
        usable = [(p.acknowledged - p.sent, p) for p in probes if p.published_at is not None]
        if not usable:
            return clock
        round_trip, best = min(usable, key=lambda pair: pair[0])
        middle = (best.acknowledged + best.sent) / 2 + clock.zero
        return replace(
            clock, offset=(best.published_at or 0.0) - middle, uncertainty=round_trip / 2
        )

    def published(self, event: Accepted) -> float:
        """When the server published it, on this host's monotonic clock; else when it was sent."""
        if event.published_at is None:
            return event.sent
        return event.published_at - self.offset - self.zero

    @property
    def stepped(self) -> float:
        """By how much the wall clock was set since, in seconds."""
        return wall_zero() - self.zero


@dataclass
class Target:
    """The server under measurement. `pid` is None for one that is not ours to look into."""

    url: str
    pid: int | None = None
    tapped: bool = True
    publish_path: str = "/publish/{room}/"
    clock: Clock = field(default_factory=Clock)
    publish_cpu: float | None = None  # server seconds for one publish with nobody there

    def cpu(self) -> float | None:
        """CPU seconds it has had; None where that cannot be known."""
        return None if self.pid is None else cpu_seconds(self.pid)

    async def open(self, publisher: Worker[Publisher], connections: int = 1) -> None:
        """Connect the publisher to it. Raises `WorkerFailed`."""
        await publisher.ask(Publisher.open, self.url, self.publish_path, connections)

    async def calibrate(self, publisher: Worker[Publisher], size: int, same_host: bool) -> None:
        """Find the server's clock, and what publishing an event of `size` characters costs."""
        room = f"calibrate-{secrets.token_hex(4)}"
        probes = [await publisher.ask(Publisher.publish, room, -1, size) for _ in range(PROBES)]
        self.clock = Clock() if same_host else Clock.of(probes)
        if (before := self.cpu()) is None:
            return
        for _ in range(BASELINE):
            await publisher.ask(Publisher.publish, room, -1, size)
        after = self.cpu()
        self.publish_cpu = None if after is None else (after - before) / BASELINE


class Clients:
    """`settings.clients` clients of each adapter in `room`, in worker processes, while the block
    lasts."""

    def __init__(
        self, workers: ForkServer, settings: Settings, adapters: Sequence[Adapter], room: str
    ) -> None:
        self.settings = settings
        self.adapters = adapters
        self.room = room
        self._workers = workers
        self._processes: list[tuple[str, Worker[Subscribers]]] = []  # with its adapter's name
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _name, worker in self._processes:
            worker.dismiss()  # all at once
        await self._stack.aclose()

    async def open(self, target: Target) -> None:
        """Start them all; they connect on their own time."""
        settings = self.settings
        polling = phases(settings.clients, settings.interval + settings.rtt, settings.seed)
        for adapter in self.adapters:
            turns = polling if adapter.ends == "at once" else [0.0] * settings.clients
            for first in range(0, settings.clients, PER_PROCESS):
                some = tuple(turns[first : first + PER_PROCESS])
                where = (target.url, target.tapped, self.room)
                orders = Orders(adapter, settings, *where, some, first)
                worker = self._workers.worker(Subscribers, orders)
                await self._stack.enter_async_context(worker)
                self._processes.append((adapter.name, worker))
        await self._ask(Subscribers.open)

    async def _ask(self, method: Callable[[Subscribers], Awaitable[R]]) -> list[tuple[str, R]]:
        """What each process answers, with its adapter's name."""
        answers = [worker.ask(method) for _, worker in self._processes]
        names = [name for name, _ in self._processes]
        return list(zip(names, await asyncio.gather(*answers), strict=True))

    async def ready(self) -> dict[str, int]:
        """How many clients of each adapter have received anything."""
        ready = dict.fromkeys((adapter.name for adapter in self.adapters), 0)
        for name, count in await self._ask(Subscribers.ready):
            ready[name] += count
        return ready

    async def probe(self) -> dict[str, RequestProbe]:
        """What an empty request costs, for each adapter where it can be told: under load, which
        all processes ask for at once, and by itself, which the first of each adapter does."""
        probes = {name: probe for name, probe in await self._ask(Subscribers.probe) if probe}
        for name, worker in dict(reversed(self._processes)).items():
            if name in probes:
                alone = await worker.ask(Subscribers.probe_alone)
                probes[name] = replace(probes[name], alone=alone or 0.0)
        return probes

    async def settle(self) -> None:
        """Forget how the processes fared until now."""
        await self._ask(Subscribers.settle)

    async def marks(self) -> list[Mark]:
        """What each process has counted so far."""
        return [mark for _, mark in await self._ask(Subscribers.mark)]

    async def close(self) -> tuple[dict[str, list[Sample]], dict[str, list[list[float]]]]:
        """End them. For each adapter, all its deliveries, and when each polling client asked."""
        samples: dict[str, list[Sample]] = {adapter.name: [] for adapter in self.adapters}
        asked: dict[str, list[list[float]]] = {adapter.name: [] for adapter in self.adapters}
        for name, received in await self._ask(Subscribers.close):
            samples[name] += received.samples
            asked[name] += received.asked
        return samples, asked


@dataclass(frozen=True)
class Phase:
    """What the parts of a measurement work on together."""

    target: Target
    publisher: Worker[Publisher]
    settings: Settings
    clients: Clients
    report: Report

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(adapter.name for adapter in self.clients.adapters)

    @property
    def alone(self) -> bool:
        """Whether one technique has the machine to itself."""
        return len(self.clients.adapters) == 1

    @property
    def waited(self) -> bool:
        """Whether there are clients that wait for events, and not only such as ask in turn."""
        return any(adapter.ends != "at once" for adapter in self.clients.adapters)

    async def publish(self, number: int) -> float:
        """Publish event `number` now; when the server did. Numbers below 0 are in no figure."""
        room, size = self.clients.room, self.settings.size
        event = await self.publisher.ask(Publisher.publish, room, number, size)
        return self.target.clock.published(event)

    def tell(self, phase: str, done: float = 0.0, **more: Any) -> None:
        self.report(Progress(phase, self.names, done, **more))
