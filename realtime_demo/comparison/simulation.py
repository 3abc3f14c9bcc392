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
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from realtime_demo.tap.network import Schedule

from .statistics import quantile
from .theory import Path, Sizes, Workload
from .traits import asks, response_ends


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
    model = _Model(workload, path, sizes, observed)
    match response_ends(technique):
        case "at once":
            runs = [model.polling(asked) for asked in observed.asked if asked]
        case "at the first batch":
            runs = [model.long_polling(seed) for seed in range(observed.clients)]
        case _:
            runs = [model.open(seed) for seed in range(observed.clients)]
    delays = tuple(sorted(delay for run in runs for delay in run.delays))
    if not delays:
        return None
    if not asks(technique):
        return Simulated(delays)
    requests = sum(run.requests or 0.0 for run in runs)
    empty = sum(run.empty or 0.0 for run in runs)
    return Simulated(delays, requests / len(runs), empty / max(1.0, requests))


@dataclass(frozen=True)
class _Model:
    """Each technique's model of one client; `empty` of what it returns is a count."""

    workload: Workload
    path: Path
    sizes: Sizes
    observed: Observed

    def _down(self, work: Sequence[float], seed: int) -> Callable[[float, float], float]:
        """One connection's way down, by the network's own schedule: when bytes that are due at a
        time have come, and been worked on."""
        chance = random.Random(f"down {seed}")
        schedule, link = Schedule(chance), self.path.network.down

        def arrival(now: float, size: float) -> float:
            work_of_this = chance.choice(work)
            return schedule.arrival(link, now, round(size)) + work_of_this

        return arrival

    def polling(self, asked: Sequence[float]) -> Simulated:
        """The answer to each asking brings what was published since the one before."""
        path, sizes, observed = self.path, self.sizes, self.observed
        # Where the phase stood is the run's; how often it is asked is the theory's.
        first = bisect_left(asked, observed.window[0])
        if first == len(asked):
            return Simulated(())
        period = self.workload.interval + path.round_trip
        requests = max(0, math.ceil((observed.window[1] - asked[first]) / period))
        arrival = self._down((path.service / 2,), 0)
        delays: list[float] = []
        published, place, full = observed.published, 0, 0
        for time in asked:
            reached = time + path.network.up.mean_delay + path.service / 2
            begun, place = place, max(place, bisect_right(published, reached))
            come = arrival(reached, sizes.down + (place - begun) * sizes.event)
            delays += [come - published[n] for n in range(max(begun, observed.first), place)]
            full += place > begun and observed.within(time)
        return Simulated(tuple(delays), requests, max(0, requests - full))

    def long_polling(self, seed: int) -> Simulated:
        """After an answer nobody asks for R; what came meanwhile is answered when it is over."""
        path, sizes, observed = self.path, self.sizes, self.observed
        arrival = self._down(observed.work or (path.push_work,), seed)
        away = path.network.up.mean_delay + path.service / 2
        delays, asked, empty = list[float](), list[float](), 0
        published, turns = observed.published, observed.turns()
        place, ready = 0, published[0] if published else 0.0
        while place < len(published):
            # A hold that ended with nothing is followed by another request.
            while ready + self.workload.hold < turns[place]:
                asked.append(ready + self.workload.hold + path.again - away)
                empty += observed.within(asked[-1])
                ready = asked[-1] + away
            answered = max(ready, turns[place])
            begun, place = place, bisect_right(turns, answered)
            come = arrival(answered, sizes.down + (place - begun) * sizes.event)
            delays += [come - published[n] for n in range(max(begun, observed.first), place)]
            asked.append(come)
            ready = come + away
        return Simulated(tuple(delays), sum(map(observed.within, asked)), empty)

    def open(self, seed: int) -> Simulated:
        """Each event goes out as it comes, behind what is still on its way."""
        observed = self.observed
        arrival = self._down(observed.work or (self.path.push_work,), seed)
        delays = [
            arrival(turn, self.sizes.event) - event
            for event, turn in zip(observed.published, observed.turns(), strict=True)
        ]
        return Simulated(tuple(delays[observed.first :]))
