"""The theory played over the very events of a run: what each delivery should have taken.

The formulas of `theory` hold on average, over all the moments at which events may come and
clients may ask. A run of fifteen events is one draw of these, and may lie far from the average
with nothing wrong. So the same model is played here over the events that were published and,
for polling, the phases that the clients had: what is left between this and the measurement is
no luck of the draw. (In statistics: common random numbers; the formula is the control.)
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from realtime_demo.tap.network import Schedule

from .statistics import quantile
from .theory import Path, Sizes, Workload


@dataclass(frozen=True)
class Simulated:
    """What the model says of one run. Delays in seconds, sorted, of all deliveries.

    `requests` are one client's in the window, on average, and `empty` the share of them that
    brought nothing: None for what does not ask.
    """

    delays: tuple[float, ...]
    requests: float | None = None
    empty: float | None = None

    @property
    def mean(self) -> float:
        return math.fsum(self.delays) / len(self.delays)

    def quantile(self, share: float) -> float:
        return quantile(self.delays, share)


@dataclass(frozen=True)
class Observed:
    """What a run gives the model to play over; times on one clock, in seconds.

    `published` are all its events in order, of which those from the `first` on count; requests
    count within `window`. `asked` has, for each polling client, when it asked. `work` are
    samples of what client and server work on an event's way down (`Path.push` is their mean),
    drawn from at random. `busy` is how long one event keeps the machine: the next waits for it.
    """

    published: Sequence[float]
    first: int
    window: tuple[float, float]
    clients: int
    asked: Sequence[Sequence[float]] = ()
    work: Sequence[float] = ()
    busy: float = 0.0

    def turns(self) -> list[float]:
        """When the machine gets to each event: in order, one after the other."""
        turns: list[float] = []
        free = -math.inf
        for time in self.published:
            turns.append(max(time, free))
            free = turns[-1] + self.busy
        return turns

    def within(self, time: float) -> bool:
        return self.window[0] <= time < self.window[1]


def simulate(
    technique: str, workload: Workload, path: Path, sizes: Sizes, observed: Observed
) -> Simulated | None:
    """The model over these events; None where there is nothing to play over."""
    if technique == "polling":
        runs = [
            _polling(asked, workload, path, sizes, observed) for asked in observed.asked if asked
        ]
    elif technique == "longpoll":
        runs = [
            _long_polling(workload, path, sizes, observed, seed) for seed in range(observed.clients)
        ]
    else:
        runs = [_open(path, sizes, observed, seed) for seed in range(observed.clients)]
    delays = tuple(sorted(delay for run in runs for delay in run.delays))
    if not delays:
        return None
    if technique not in ("polling", "longpoll"):
        return Simulated(delays)
    requests = sum(run.requests or 0.0 for run in runs)
    empty = sum(run.empty or 0.0 for run in runs)
    return Simulated(delays, requests / len(runs), empty / max(1.0, requests))


class _Down:
    """One connection's way down: the network's own schedule, and the work of each delivery."""

    def __init__(self, path: Path, work: Sequence[float], seed: int) -> None:
        self._link = path.network.down
        self._chance = random.Random(f"down {seed}")
        self._schedule = Schedule(self._chance)
        self._work = work

    def arrival(self, now: float, size: float) -> float:
        """When `size` bytes that are due at `now` have come."""
        work = self._chance.choice(self._work)
        return self._schedule.arrival(self._link, now, round(size)) + work


def _polling(
    asked: Sequence[float], workload: Workload, path: Path, sizes: Sizes, observed: Observed
) -> Simulated:
    """The answer to each asking brings what was published since the one before."""
    network = path.network
    # Where the phase stood is the run's; how often it is asked is the theory's.
    first = bisect_left(asked, observed.window[0])
    if first == len(asked):
        return Simulated(())
    period = workload.interval + path.round_trip
    requests = max(0, math.ceil((observed.window[1] - asked[first]) / period))
    down = _Down(path, (path.service / 2,), 0)
    delays: list[float] = []
    place, full = 0, 0
    for time in asked:
        reached = time + network.up.mean_delay + path.service / 2
        begun = place
        while place < len(observed.published) and observed.published[place] <= reached:
            place += 1
        come = down.arrival(reached, sizes.down + (place - begun) * sizes.event)
        delays += [come - observed.published[n] for n in range(max(begun, observed.first), place)]
        full += place > begun and observed.within(time)
    return Simulated(tuple(delays), requests, max(0, requests - full))


def _long_polling(
    workload: Workload, path: Path, sizes: Sizes, observed: Observed, seed: int
) -> Simulated:
    """After an answer nobody asks for R; what came meanwhile is answered when it is over."""
    down = _Down(path, observed.work or (path.push_work,), seed)
    away = path.network.up.mean_delay + path.service / 2
    delays, asked, empty = list[float](), list[float](), 0
    published, turns = observed.published, observed.turns()
    place, ready = 0, published[0] if published else 0.0
    while place < len(published):
        # A hold that ended with nothing is followed by another request.
        while ready + workload.hold < turns[place]:
            asked.append(ready + workload.hold + path.again - away)
            empty += observed.within(asked[-1])
            ready = asked[-1] + away
        answered = max(ready, turns[place])
        begun = place
        while place < len(published) and turns[place] <= answered:
            place += 1
        come = down.arrival(answered, sizes.down + (place - begun) * sizes.event)
        delays += [come - published[n] for n in range(max(begun, observed.first), place)]
        asked.append(come)
        ready = come + away
    return Simulated(tuple(delays), sum(map(observed.within, asked)), empty)


def _open(path: Path, sizes: Sizes, observed: Observed, seed: int) -> Simulated:
    """Each event goes out as it comes, behind what is still on its way."""
    down = _Down(path, observed.work or (path.push_work,), seed)
    delays = [
        down.arrival(turn, sizes.event) - event
        for event, turn in zip(observed.published, observed.turns(), strict=True)
    ]
    return Simulated(tuple(delays[observed.first :]))
