"""One round of a measurement: warm up clients, probe, publish, drain, probe again, summarise.

The theory needs two figures of the machine: how long an empty request takes
(`Subscribers.probe`), and how long an event takes to waiting clients when nothing else is in
progress. The latter includes the waits while the server writes to one client after another, and
while the clients of one process read one after another.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple, Self, TypeVar

from django.utils.translation import gettext as _

from transports.events import Cursor, InvalidCursor

from .load import (
    Accepted,
    ClientsConfig,
    Mark,
    Published,
    Publisher,
    RequestProbe,
    Subscribers,
)
from .plan import Adapter, Progress, Report, Settings, phases
from .results import EventProbe, GeneratorFigures, Measurement, Sample, Sent
from .server import MeasuredServer
from .statistics import quantile
from .summary import WEIGHED, Evidence, Window, summarise
from .workers import Worker

PER_PROCESS = 50  # clients in one subscriber process
CONNECT_TIMEOUT = 30.0  # seconds until every client must have received something
CHECK_INTERVAL = 0.02  # seconds between checks for arrivals
AGAIN = 0.2  # seconds, plus a round trip, until the warm-up publishes the next event
DUPLICATE_WAIT = 0.1  # seconds, plus a round trip, to wait for a duplicate of the last event
LEAD = 0.1  # seconds between the call to publish and the first intended time
SCREEN_INTERVAL = 0.5  # seconds between updates of the screen
LENGTH = 1.5  # seconds: maximum of a probe with events; one precedes the window, one follows it
SHARE = 1 / 6  # maximum of a probe, as a share of the window
FEWEST, MOST = 8, 24  # events in a probe
FIRST = -1_000_000  # first number of a probe's events, descending; figures omit numbers below 0
APART = 0.06  # seconds between a probe's events, plus two round trips
APART_EACH = 0.0006  # additional seconds for each client

R = TypeVar("R")


class MeasurementFailed(Exception):
    """A run without figures: a client did not connect, or no event was accepted."""


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


async def measure(
    target: MeasuredServer,
    publisher: Worker[Publisher],
    settings: Settings,
    report: Report,
    fresh: Callable[[], AbstractAsyncContextManager[MeasuredServer]] | None = None,
) -> list[Measurement]:
    """Measure one round: every technique of `settings`, one after another or all together.

    With `fresh` and enough clients to measure memory, each technique gets its own server:
    memory that an earlier technique has freed would be reused and not be counted.
    """
    adapters = settings.adapters
    measured: list[Measurement] = []
    for group in [adapters] if settings.together else [[adapter] for adapter in adapters]:
        async with AsyncExitStack() as stack:
            if fresh is not None and settings.clients >= WEIGHED:
                target = await stack.enter_async_context(fresh())
                await target.open(publisher, settings.http_client)
                await target.calibrate(publisher, settings.size, same_host=True)
            phase = Phase(target, publisher, settings, group, report)
            measured += await _measure(await stack.enter_async_context(phase))
    return measured


async def _measure(phase: Phase) -> list[Measurement]:
    phase.report_progress("connecting")
    before = phase.target.memory()
    await phase.open()
    warmed = await _warm_up(phase)
    after = phase.target.memory()
    probes = await phase.probe()
    silent = await silence(phase)
    event_probe = await probe_events(phase, 0, silent)
    await phase.settle()
    window = await _observe(phase)
    await _drain(phase, len(window.sent))
    if phase.waited:
        event_probe += await probe_events(phase, 1, silent)
    else:
        await asyncio.sleep(DUPLICATE_WAIT + phase.settings.rtt)
    ends = await phase.marks()
    samples, request_times = await phase.close()
    evidence = Evidence(
        phase.settings,
        phase.room,
        phase.target.tapped,
        phase.alone,
        warmed,
        window,
        ends,
        probes,
        event_probe,
        after - before,
        samples,
        request_times,
    )
    return [summarise(evidence, adapter) for adapter in phase.adapters]


async def _warm_up(phase: Phase) -> list[float]:
    """Publish until every client has received something; return the times of publication.

    Raises `MeasurementFailed`.
    """
    settings = phase.settings
    deadline = time.monotonic() + CONNECT_TIMEOUT + settings.interval + 4 * settings.rtt
    published: list[float] = []
    while True:
        published.append(await phase.publish(-1 - len(published)))
        again = time.monotonic() + AGAIN + settings.rtt
        while time.monotonic() < again:
            ready = await phase.ready()
            if all(count == settings.clients for count in ready.values()):
                return published
            await asyncio.sleep(CHECK_INTERVAL)
        for mark in await phase.marks():
            if mark.counts.errors:
                raise MeasurementFailed(f"{mark.name}: {mark.counts.errors[0]}")
        if time.monotonic() > deadline:
            missing = ", ".join(
                _("{name} ({count} of {clients})").format(
                    name=name, count=count, clients=settings.clients
                )
                for name, count in ready.items()
                if count < settings.clients
            )
            text = _("The warm-up's events did not reach every client of {missing}.")
            raise MeasurementFailed(text.format(missing=missing))


async def _drain(phase: Phase, events: int) -> None:
    """Wait for deliveries in flight, at most as long as any technique may take."""
    settings = phase.settings
    timeout = 2.0 + 2 * (settings.interval + 4 * (settings.rtt + settings.jitter))
    deadline = time.monotonic() + timeout
    due = settings.clients * len(phase.names) * events
    phase.report_progress("draining", 1.0)
    while time.monotonic() < deadline:
        marks = await phase.marks()
        if sum(mark.counts.counted for mark in marks) >= due:
            return
        await asyncio.sleep(CHECK_INTERVAL)


# --- The window --------------------------------------------------------------------------


async def _observe(phase: Phase) -> Window:
    """Warm up under load, and measure. Raises `MeasurementFailed` if nothing was published."""
    settings = phase.settings
    times = settings.times()
    # The warm-up's events have negative numbers, which every figure omits.
    first = -sum(offset < settings.warmup for offset in times)
    start = time.monotonic() + LEAD
    publishing = asyncio.create_task(
        phase.publisher.ask(Publisher.run, phase.room, start, times, first, settings.size)
    )
    try:
        await asyncio.sleep(max(0.0, start + settings.warmup - time.monotonic()))
        began, cpu_began = await phase.marks(), phase.target.cpu()
        length = settings.warmup + settings.duration
        while (remaining := start + length - time.monotonic()) > 0:
            await asyncio.sleep(min(SCREEN_INTERVAL, remaining))
            _show(phase, await phase.marks(), (time.monotonic() - start) / length)
        ended, cpu_ended = await phase.marks(), phase.target.cpu()
        published = await publishing
    finally:
        publishing.cancel()
    every = [_sent(phase, event) for event in published.events]
    sent = sorted(event for event in every if event.number >= 0)
    if not sent:
        reason = (published.failures or [_("no event fell into the window")])[0]
        raise MeasurementFailed(_("Nothing was published: {reason}.").format(reason=reason))
    return Window(
        sent=tuple(sent),
        refused=sum(number >= 0 for number in published.rejected),
        every=tuple(sorted(event.published for event in every)),
        identity=fmean(len(event.id) for event in published.events),
        event_size=fmean(event.size for event in published.events),
        began=began,
        ended=ended,
        cpu=cpu_ended - cpu_began - phase.target.publish_cpu * len(sent),
        generator=_generator_figures(published, began, ended),
    )


def _sent(phase: Phase, event: Accepted) -> Sent:
    try:
        seq = Cursor.parse(event.id).seq
    except InvalidCursor:
        seq = event.index + 1_000_000
    published = phase.target.clock.published(event)
    return Sent(event.index, event.intended, event.sent, published, event.acknowledged, seq)


def _generator_figures(
    published: Published, began: Sequence[Mark], ended: Sequence[Mark]
) -> GeneratorFigures:
    wall = max(1e-9, ended[0].time - began[0].time)
    return GeneratorFigures(
        publisher_busy=published.busy,
        subscriber_busy=max((b.cpu - a.cpu) / wall for a, b in zip(began, ended, strict=True)),
        publisher_late=quantile(published.late, 0.9),
        subscriber_late=max(quantile(mark.lags or (0.0,), 0.9) for mark in ended),
        failures=tuple(published.failures),
        errors=tuple(error for mark in ended for error in mark.counts.errors),
    )


def _show(phase: Phase, marks: Sequence[Mark], done: float) -> None:
    received, medians = Counter[str](), dict[str, float]()
    for mark in marks:
        received[mark.name] += mark.counts.received
        if mark.median is not None:
            medians[mark.name] = mark.median + phase.target.clock.offset
    phase.report_progress("measuring", min(1.0, done), received=received, medians=medians)


# --- The probe with events ---------------------------------------------------------------


class Spent(NamedTuple):
    """CPU seconds of the server (NaN: unknown) and of the clients, up to `time` or in `time`."""

    time: float
    server: float
    clients: float

    def until(self, later: Spent) -> Spent:
        return Spent(*(b - a for a, b in zip(self, later, strict=True)))


async def _spent(phase: Phase) -> Spent:
    marks = await phase.marks()
    return Spent(time.monotonic(), phase.target.cpu(), sum(mark.cpu for mark in marks))


async def silence(phase: Phase) -> Spent | None:
    """Measure the CPU used without events, for as long as a probe with events takes.

    Timers and heartbeats also run in the pauses between a probe's events. They are subtracted
    from the probe, so that the rest is the events' CPU. None if an event's CPU cannot be
    determined: no client waits for events, or several techniques run together.
    """
    if not (phase.waited and phase.alone):
        return None
    apart, numbers = _probe_numbers(phase, 0)
    began = await _spent(phase)
    await asyncio.sleep(apart * len(numbers))
    return began.until(await _spent(phase))


async def probe_events(phase: Phase, before: int, silent: Spent | None) -> EventProbe:
    """Publish events one by one, after `before` earlier probes of this phase.

    An empty probe if no client waits for events.
    """
    if not phase.waited:
        return EventProbe()
    published: dict[int, float] = {}
    apart, numbers = _probe_numbers(phase, before)
    began = await _spent(phase)
    for number in numbers:
        published[number] = await phase.publish(number)
        await asyncio.sleep(apart)
    if silent is None:
        return EventProbe(published)
    spent = began.until(await _spent(phase))
    silences = spent.time / silent.time
    server = (spent.server - silences * silent.server) / len(published) - phase.target.publish_cpu
    clients = (spent.clients - silences * silent.clients) / len(published)
    return EventProbe(published, max(server, 0.0), max(clients, 0.0))  # in this order, NaN is kept


def _probe_numbers(phase: Phase, before: int) -> tuple[float, Sequence[int]]:
    """Return the seconds between a probe's events, and the events' numbers.

    After that pause every client waits again.
    """
    settings = phase.settings
    clients = settings.clients * len(phase.names)
    apart = APART + APART_EACH * clients + 2 * (settings.rtt + settings.jitter)
    length = min(LENGTH, settings.duration * SHARE)
    first = FIRST - before * MOST
    return apart, range(first, first - min(MOST, max(FEWEST, round(length / apart))), -1)
