"""One round measured: set up, warm up, probe, publish, drain, probe again, summarise.

A theory of techniques does not know the machine. Two things are measured of it: how long a
request takes that finds nothing (`subscribers.Group.probe`), and how long an event takes to
clients that wait for it, when nothing else is under way. That includes that the server writes to
one client after another, and that the clients of one process read one after another.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from statistics import fmean

from transports.events import Cursor, InvalidCursor

from .host import resident_bytes
from .phase import Clients, MeasurementFailed, Phase, Target
from .plan import Report, Settings
from .publisher import Accepted, Published, Publisher
from .results import EventProbe, Measurement, Sent, Watch
from .statistics import quantile
from .subscribers import Mark
from .summary import WEIGHED, Evidence, Window, summarise
from .workers import ForkServer, Worker

PATIENCE = 30.0  # seconds in which every client has to have received something
LOOK = 0.02  # seconds between looks whether something has come
AGAIN = 0.2  # seconds, beside a round trip, after which the warm-up publishes once more
BEHIND = 0.1  # seconds, beside a round trip, in which a double of the last event would come
LEAD = 0.1  # seconds between giving the order to publish and the first intended time
SHOWN = 0.5  # seconds between looks for the screen
LENGTH = 1.5  # seconds of a probe with events at most; one is before the window, one behind it
SHARE = 1 / 6  # of the window, at most
FEWEST, MOST = 8, 24  # events in it
FIRST = -1_000_000  # their numbers go down from here; no number below 0 is in any figure
APART = 0.06  # seconds between them, beside two round trips
APART_EACH = 0.0006  # and for each client


async def measure(
    target: Target,
    workers: ForkServer,
    publisher: Worker[Publisher],
    settings: Settings,
    report: Report,
    fresh: Callable[[], AbstractAsyncContextManager[Target]] | None = None,
) -> list[Measurement]:
    """One round: every technique of `settings`, each by itself or all together.

    With `fresh`, each technique of so many clients that memory is measured gets a server of
    its own: what an earlier technique has left free would be used again, and not be seen.
    """
    adapters = settings.adapters
    measured: list[Measurement] = []
    for some in [adapters] if settings.together else [[adapter] for adapter in adapters]:
        room = f"compare-{secrets.token_hex(4)}"
        async with Clients(workers, settings, some, room) as clients:
            if fresh is None or settings.clients < WEIGHED:
                measured += await _measure(Phase(target, publisher, settings, clients, report))
                continue
            async with fresh() as own:
                await own.open(publisher)
                await own.calibrate(publisher, settings.size, same_host=True)
                measured += await _measure(Phase(own, publisher, settings, clients, report))
    return measured


async def _measure(phase: Phase) -> list[Measurement]:
    phase.tell("connecting")
    clients, target = phase.clients, phase.target
    before = resident_bytes(target.pid) if target.pid else None
    await clients.open(target)
    warmed = await _warm_up(phase)
    after = resident_bytes(target.pid) if target.pid else None
    probes = await clients.probe()
    silent = await silence(phase)
    event_probe = await probe_events(phase, 0, silent)
    await clients.settle()
    window = await _observe(phase)
    await _drain(phase, len(window.sent))
    if phase.waited:
        event_probe += await probe_events(phase, 1, silent)
    else:
        await asyncio.sleep(BEHIND + phase.settings.rtt)
    ends = await clients.marks()
    samples, asked = await clients.close()
    memory = None if before is None or after is None else after - before
    evidence = Evidence(warmed, window, ends, probes, event_probe, memory, samples, asked)
    return [summarise(phase, adapter, evidence) for adapter in clients.adapters]


async def _warm_up(phase: Phase) -> list[float]:
    """Publish until every client has received something; when it was published. Raises
    `MeasurementFailed`."""
    settings = phase.settings
    deadline = time.monotonic() + PATIENCE + settings.interval + 4 * settings.rtt
    published: list[float] = []
    while True:
        published.append(await phase.publish(-1 - len(published)))
        again = time.monotonic() + AGAIN + settings.rtt
        while time.monotonic() < again:
            ready = await phase.clients.ready()
            if all(count == settings.clients for count in ready.values()):
                return published
            await asyncio.sleep(LOOK)
        for mark in await phase.clients.marks():
            if mark.counts.errors:
                raise MeasurementFailed(f"{mark.name}: {mark.counts.errors[0]}")
        if time.monotonic() > deadline:
            missing = ", ".join(
                f"{name} ({count} of {settings.clients})"
                for name, count in ready.items()
                if count < settings.clients
            )
            raise MeasurementFailed(f"No event of the warm-up has reached all of {missing}.")


async def _drain(phase: Phase, events: int) -> None:
    """Wait for what is still on its way: as long as any technique may take, and no longer."""
    settings = phase.settings
    patience = 2.0 + 2 * (settings.interval + 4 * (settings.rtt + settings.jitter))
    deadline = time.monotonic() + patience
    due = settings.clients * len(phase.names) * events
    phase.tell("draining", 1.0)
    while time.monotonic() < deadline:
        marks = await phase.clients.marks()
        if sum(mark.counts.counted for mark in marks) >= due:
            return
        await asyncio.sleep(LOOK)


# --- The window --------------------------------------------------------------------------


async def _observe(phase: Phase) -> Window:
    """Warm up under load, and measure. Raises `MeasurementFailed` if nothing was published."""
    settings = phase.settings
    times = settings.times()
    # Numbers of the warm-up are negative, and so are left out of every figure.
    first = -sum(offset < settings.warmup for offset in times)
    start = time.monotonic() + LEAD
    publishing = asyncio.create_task(
        phase.publisher.ask(Publisher.run, phase.clients.room, start, times, first, settings.size)
    )
    try:
        await asyncio.sleep(max(0.0, start + settings.warmup - time.monotonic()))
        began, cpu_began = await phase.clients.marks(), phase.target.cpu()
        length = settings.warmup + settings.duration
        while (left := start + length - time.monotonic()) > 0:
            await asyncio.sleep(min(SHOWN, left))
            _show(phase, await phase.clients.marks(), (time.monotonic() - start) / length)
        ended, cpu_ended = await phase.clients.marks(), phase.target.cpu()
        published = await publishing
    finally:
        publishing.cancel()
    every = [_sent(phase, event) for event in published.events]
    sent = sorted(event for event in every if event.number >= 0)
    if not sent:
        why = published.failures[0] if published.failures else "no event fell into the window"
        raise MeasurementFailed(f"Nothing was published: {why}.")
    cpu = None
    if cpu_began is not None and cpu_ended is not None:
        cpu = cpu_ended - cpu_began - (phase.target.publish_cpu or 0.0) * len(sent)
    return Window(
        sent=tuple(sent),
        refused=sum(number >= 0 for number in published.refused),
        every=tuple(sorted(event.published for event in every)),
        identity=fmean(len(event.id) for event in published.events),
        event_size=fmean(event.size for event in published.events),
        began=began,
        ended=ended,
        cpu=cpu,
        watch=_watch(published, began, ended),
    )


def _sent(phase: Phase, event: Accepted) -> Sent:
    try:
        seq = Cursor.parse(event.id).seq
    except InvalidCursor:
        seq = event.index + 1_000_000
    published = phase.target.clock.published(event)
    return Sent(event.index, event.intended, event.sent, published, event.acknowledged, seq)


def _watch(published: Published, began: Sequence[Mark], ended: Sequence[Mark]) -> Watch:
    wall = max(1e-9, ended[0].time - began[0].time)
    return Watch(
        publisher_busy=published.busy,
        subscriber_busy=max((b.cpu - a.cpu) / wall for a, b in zip(began, ended, strict=True)),
        publisher_late=quantile(published.late, 0.9),
        subscriber_late=max(quantile(mark.lags or (0.0,), 0.9) for mark in ended),
        failures=tuple(published.failures),
        errors=tuple(error for mark in ended for error in mark.counts.errors),
    )


def _show(phase: Phase, marks: Sequence[Mark], done: float) -> None:
    received: dict[str, int] = {}
    medians: dict[str, float] = {}
    for mark in marks:
        received[mark.name] = received.get(mark.name, 0) + mark.counts.received
        if mark.counts.median is not None:
            medians[mark.name] = mark.counts.median + phase.target.clock.offset
    phase.tell("measuring", min(1.0, done), received=received, medians=medians)


# --- The probe with events ---------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """CPU seconds of the server (None: not known) and of the clients, up to `time`."""

    time: float
    server: float | None
    clients: float

    @classmethod
    async def of(cls, phase: Phase) -> Spent:
        """What they have had up to now."""
        marks = await phase.clients.marks()
        return cls(time.monotonic(), phase.target.cpu(), sum(mark.cpu for mark in marks))

    def __sub__(self, other: Spent) -> Spent:
        server = None
        if self.server is not None and other.server is not None:
            server = self.server - other.server
        return Spent(self.time - other.time, server, self.clients - other.clients)


async def silence(phase: Phase) -> Spent | None:
    """What is spent while nothing happens, for as long as a probe with events takes.

    Timers and heartbeats run on in the pauses between events, the longer the longer the network
    is: an event's CPU is what was spent beyond a silence. None where no event's CPU can be told:
    nobody waits for events, or several techniques do.
    """
    if not (phase.waited and phase.alone):
        return None
    apart, numbers = _probe_numbers(phase, 0)
    began = await Spent.of(phase)
    await asyncio.sleep(apart * len(numbers))
    return await Spent.of(phase) - began


async def probe_events(phase: Phase, before: int, silent: Spent | None) -> EventProbe:
    """Publish events one by one, in a phase that was so probed so often `before`; nothing where
    nobody waits for events."""
    if not phase.waited:
        return EventProbe()
    published: dict[int, float] = {}
    apart, numbers = _probe_numbers(phase, before)
    began = await Spent.of(phase)
    for number in numbers:
        published[number] = await phase.publish(number)
        await asyncio.sleep(apart)
    if silent is None:
        return EventProbe(published)
    spent = await Spent.of(phase) - began
    silences, server = spent.time / silent.time, None
    if spent.server is not None and silent.server is not None:
        server = (spent.server - silences * silent.server) / len(published)
        server = max(0.0, server - (phase.target.publish_cpu or 0.0))
    clients = (spent.clients - silences * silent.clients) / len(published)
    return EventProbe(published, server, max(0.0, clients))


def _probe_numbers(phase: Phase, before: int) -> tuple[float, Sequence[int]]:
    """The seconds between a probe's events, after which every client waits again, and the
    events' numbers."""
    settings = phase.settings
    clients = settings.clients * len(phase.names)
    apart = APART + APART_EACH * clients + 2 * (settings.rtt + settings.jitter)
    length = min(LENGTH, settings.duration * SHARE)
    first = FIRST - before * MOST
    return apart, range(first, first - min(MOST, max(FEWEST, round(length / apart))), -1)
