"""A phase of a run: the server, one room, and the clients of one technique or of all."""

from __future__ import annotations

import asyncio
import math
import secrets
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

from .host import cpu_seconds, resident_bytes
from .plan import Adapter, Progress, Report, Settings, phases
from .publisher import Accepted, Publisher
from .results import Sample
from .subscribers import ClientsConfig, Mark, RequestProbe, Subscribers
from .workers import Worker

PROBES = 10  # publishes, of which the one with the shortest round trip gives the clocks' offset
BASELINE = 40  # events published without subscribers, to measure the cost of publishing
PER_PROCESS = 50  # clients in one subscriber process

R = TypeVar("R")


class MeasurementFailed(Exception):
    """A run without figures: a client did not connect, or no event was accepted."""


def wall_zero() -> float:
    """Return the wall clock's time at the monotonic clock's 0, in Unix seconds."""
    before = time.monotonic()
    wall = time.time()
    return wall - (before + time.monotonic()) / 2


@dataclass(frozen=True)
class Clock:
    """The server's wall clock minus this host's: `offset` ± `uncertainty`, in seconds.

    An asymmetric path adds half its asymmetry to the offset. An exchange of messages cannot
    detect that; half the round trip bounds it.
    """

    offset: float = 0.0
    uncertainty: float = 0.0
    zero: float = field(default_factory=wall_zero)

    @classmethod
    def of(cls, probes: Sequence[Accepted]) -> Clock:
        """Estimate the offset from the publish with the shortest round trip.

        It waited in the fewest queues (Cristian, Distributed Computing 3, 1989).
        """
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
        """Return when the server published `event`, on this host's monotonic clock.

        The time of sending if the server did not report one.
        """
        if event.published_at is None:
            return event.sent
        return event.published_at - self.offset - self.zero

    @property
    def stepped(self) -> float:
        """Seconds by which the wall clock has been set since."""
        return wall_zero() - self.zero


@dataclass
class MeasuredServer:
    """The server under measurement. `pid` is None if its process is not on this machine."""

    url: str
    pid: int | None = None
    tapped: bool = True
    publish_path: str = "/publish/{room}/"
    clock: Clock = field(default_factory=Clock)
    publish_cpu: float = math.nan  # server seconds for one publish without subscribers
    http_cpu: float = 0.0  # CPU seconds of the publisher's HTTP client for one publish

    def cpu(self) -> float:
        """Return the CPU seconds that the server has used; NaN if unknown."""
        seconds = None if self.pid is None else cpu_seconds(self.pid)
        return math.nan if seconds is None else seconds

    def memory(self) -> float:
        """Return the server's resident bytes; NaN if unknown."""
        resident = None if self.pid is None else resident_bytes(self.pid)
        return math.nan if resident is None else resident

    async def open(
        self, publisher: Worker[Publisher], http_client: str = "httpx", connections: int = 1
    ) -> None:
        """Connect the publisher to the server. Raises `WorkerFailed`."""
        await publisher.ask(Publisher.open, self.url, self.publish_path, connections, http_client)

    async def calibrate(self, publisher: Worker[Publisher], size: int, same_host: bool) -> None:
        """Measure the server's clock and the CPU of publishing an event of `size` characters."""
        room = f"calibrate-{secrets.token_hex(4)}"
        await publisher.ask(Publisher.warm_up, room, size)
        probes = [await publisher.ask(Publisher.publish, room, -1, size) for _ in range(PROBES)]
        self.clock = Clock() if same_host else Clock.of(probes)
        self.http_cpu = statistics.median(probe.cpu for probe in probes)
        if math.isnan(before := self.cpu()):
            return
        for _ in range(BASELINE):
            await publisher.ask(Publisher.publish, room, -1, size)
        self.publish_cpu = (self.cpu() - before) / BASELINE


class Phase:
    """Worker processes with `settings.clients` clients of each adapter in a room, for the block.

    Their events are published to `target` by `publisher`.
    """

    def __init__(
        self,
        target: MeasuredServer,
        publisher: Worker[Publisher],
        settings: Settings,
        adapters: Sequence[Adapter],
        report: Report,
    ) -> None:
        self.target = target
        self.settings = settings
        self.adapters = adapters
        self.publisher = publisher
        self.room = f"compare-{secrets.token_hex(4)}"
        self.names = tuple(adapter.name for adapter in adapters)
        self._report = report
        self._processes: list[tuple[str, Worker[Subscribers]]] = []  # with its adapter's name
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _name, worker in self._processes:
            worker.dismiss()  # all at once
        await self._stack.aclose()

    @property
    def alone(self) -> bool:
        """Whether only one technique runs in this phase."""
        return len(self.adapters) == 1

    @property
    def waited(self) -> bool:
        """Whether any clients wait for events, rather than poll."""
        return any(adapter.response_ends != "at once" for adapter in self.adapters)

    async def publish(self, number: int) -> float:
        """Publish event `number` now; return when the server published it.

        Figures omit numbers below 0.
        """
        event = await self.publisher.ask(Publisher.publish, self.room, number, self.settings.size)
        return self.target.clock.published(event)

    def report_progress(self, phase: str, done: float = 0.0, **more: Any) -> None:
        self._report(Progress(phase, self.names, done, **more))

    async def open(self) -> None:
        """Start all processes; each client connects at its own time."""
        settings = self.settings
        polling = phases(settings.clients, settings.interval + settings.rtt, settings.seed)
        for adapter in self.adapters:
            turns = polling if adapter.response_ends == "at once" else [0.0] * settings.clients
            for first in range(0, settings.clients, PER_PROCESS):
                part = tuple(turns[first : first + PER_PROCESS])
                config = ClientsConfig(
                    adapter, settings, self.target.url, self.target.tapped, self.room, part, first
                )
                worker = Worker(Subscribers, config)
                await self._stack.enter_async_context(worker)
                self._processes.append((adapter.name, worker))
        await self._ask(Subscribers.open)

    async def _ask(self, method: Callable[[Subscribers], Awaitable[R]]) -> list[tuple[str, R]]:
        """Call `method` in each process; return the results with their adapters' names."""
        answers = [worker.ask(method) for _, worker in self._processes]
        names = [name for name, _ in self._processes]
        return list(zip(names, await asyncio.gather(*answers), strict=True))

    async def ready(self) -> dict[str, int]:
        """Return how many clients of each adapter have received anything."""
        ready = dict.fromkeys(self.names, 0)
        for name, count in await self._ask(Subscribers.ready):
            ready[name] += count
        return ready

    async def probe(self) -> dict[str, RequestProbe]:
        """Measure an empty request of each adapter, where possible.

        Under load, in all processes at once; then alone, in each adapter's first process.
        """
        probes = {name: probe for name, probe in await self._ask(Subscribers.probe) if probe}
        for name, worker in dict(reversed(self._processes)).items():
            if name in probes:
                alone = await worker.ask(Subscribers.probe_alone)
                probes[name] = replace(probes[name], alone=alone or 0.0)
        return probes

    async def settle(self) -> None:
        """Discard the processes' own lateness up to now."""
        await self._ask(Subscribers.settle)

    async def marks(self) -> list[Mark]:
        """Return each process's counts so far."""
        return [mark for _, mark in await self._ask(Subscribers.mark)]

    async def close(self) -> tuple[dict[str, list[Sample]], dict[str, list[list[float]]]]:
        """Stop the clients; return each adapter's deliveries and its polling clients' requests."""
        samples: defaultdict[str, list[Sample]] = defaultdict(list)
        request_times: defaultdict[str, list[list[float]]] = defaultdict(list)
        for name, (received, requested) in await self._ask(Subscribers.close):
            samples[name] += received
            request_times[name] += requested
        return samples, request_times
