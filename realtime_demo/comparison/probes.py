"""What client and server themselves take, on top of any network, probed beside each measurement.

A theory of techniques does not know the machine. Two things are measured of it: how long a
request takes that finds nothing (`subscribers.Group.probe`), and here, how long an event takes to
clients that wait for it, when nothing else is under way. That includes that the server writes to
one client after another, and that the clients of one process read one after another.

The CPU that an event takes is what a volley of them took beyond a silence of the same length:
timers and heartbeats run on in the pauses between events, the longer the longer the network is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import TYPE_CHECKING

from .ledger import Sample

if TYPE_CHECKING:
    from .phase import Phase

LENGTH = 1.5  # seconds of a volley at most; one is before the measured window, one behind it
SHARE = 1 / 6  # of the window, at most
FEWEST, MOST = 8, 24  # events in it
FIRST = -1_000_000  # their numbers go down from here; no number below 0 is in any figure
APART = 0.06  # seconds between them, beside two round trips
APART_EACH = 0.0006  # and for each client
LEAST = 0.0005  # seconds of work that no event is left out for


@dataclass(frozen=True)
class Volley:
    """Events sent one by one to clients that wait: when each was published, by its number.

    `server` and `clients` are the CPU seconds that one event took, publishing and the pause behind
    it taken off. None: not known; together, an event's work is everyone's.
    """

    published: dict[int, float] = field(default_factory=dict)
    server: float | None = None
    clients: float | None = None

    def __add__(self, other: Volley) -> Volley:
        """Both volleys' events, and the mean of their costs."""
        return replace(
            self,
            published=self.published | other.published,
            server=_mean(self.server, other.server),
            clients=_mean(self.clients, other.clients),
        )

    @property
    def busy(self) -> float:
        """CPU seconds that one event takes, publishing left out."""
        return (self.server or 0.0) + (self.clients or 0.0)

    def work(self, samples: Iterable[Sample], start: float, jitter: float) -> list[float]:
        """Seconds that client and server worked on each delivery of these events in `samples`.

        The way takes `start` seconds and up to `jitter` more at random, which is taken off with
        its mean. Events that took three times the work of the median event are left out: so few
        cannot tell how often a machine stumbles, and one stumble would outweigh all the others.
        On a long way that has to be asked of the work alone: nothing is three times the way.
        """
        events: dict[int, list[float]] = {}
        for sample in samples:
            if (published := self.published.get(sample.number)) is not None:
                delay = sample.received - published
                events.setdefault(sample.number, []).append(delay - start - jitter / 2)
        if not events:
            return []
        means = {number: fmean(work) for number, work in events.items()}
        most = 3 * max(LEAST, median(means.values())) + jitter
        return [work for number in events if means[number] <= most for work in events[number]]


def _mean(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


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
        return cls(time.monotonic(), phase.target.cpu(), sum(mark["cpu"] for mark in marks))

    def __sub__(self, other: Spent) -> Spent:
        server = None
        if self.server is not None and other.server is not None:
            server = self.server - other.server
        return Spent(self.time - other.time, server, self.clients - other.clients)


async def silence(phase: Phase) -> Spent | None:
    """What is spent while nothing happens, as long as a volley takes; None where no volley's CPU
    is told: nobody waits for events, or several techniques do."""
    if not (phase.waited and phase.alone):
        return None
    apart, events = _volley(phase, 0)
    began = await Spent.of(phase)
    await asyncio.sleep(apart * len(events))
    return await Spent.of(phase) - began


async def fire(phase: Phase, volleys: int, silent: Spent | None) -> Volley:
    """One volley into a phase that has had so many; nothing where nobody waits for events."""
    if not phase.waited:
        return Volley()
    published: dict[int, float] = {}
    apart, events = _volley(phase, volleys)
    began = await Spent.of(phase)
    for number in events:
        published[number] = phase.published(await phase.publish(number))
        await asyncio.sleep(apart)
    if silent is None:
        return Volley(published)
    spent = await Spent.of(phase) - began
    silences, server = spent.time / silent.time, None
    if spent.server is not None and silent.server is not None:
        server = (spent.server - silences * silent.server) / len(published)
        server = max(0.0, server - (phase.target.publish_cpu or 0.0))
    clients = (spent.clients - silences * silent.clients) / len(published)
    return Volley(published, server, max(0.0, clients))


def _volley(phase: Phase, volleys: int) -> tuple[float, Sequence[int]]:
    """The seconds between the next volley's events, and their numbers."""
    settings = phase.settings
    apart = pause(settings.rtt + settings.jitter, settings.clients * len(phase.names))
    return apart, numbers(volleys, min(LENGTH, settings.duration * SHARE), apart)


def pause(rtt: float, clients: int) -> float:
    """Seconds after which every client waits again."""
    return APART + APART_EACH * clients + 2 * rtt


def numbers(volleys: int, length: float, apart: float) -> Sequence[int]:
    """Those of the next volley's events, in about `length` seconds, when there were so many
    volleys before."""
    first = FIRST - volleys * MOST
    return range(first, first - min(MOST, max(FEWEST, round(length / apart))), -1)
