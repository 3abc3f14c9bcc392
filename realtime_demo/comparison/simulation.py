"""A simulation of the theory's model over the events of a run.

The formulas of `theory` are averages over all times at which events may arrive and clients may
send requests. A run of fifteen events is one sample of these, and may differ much from the
average. The simulation applies the same model to the events that were published and, for
polling, to the times of the clients' requests. Its difference from the measurement contains no
sampling error. (In statistics: common random numbers; the formula is the control variate.)
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from realtime_demo.tap.network import Schedule
from transports.registry import BY_NAME

from .statistics import quantile
from .theory import NetworkPath, Sizes, Workload


@dataclass(frozen=True)
class Simulated:
    """The model's result for one run. Delays of all deliveries in seconds, sorted; or none.

    `requests` is the mean number of a client's requests in the window, `empty` the share of them
    without events; both are NaN for techniques without requests.
    """

    delays: tuple[float, ...] = ()
    requests: float = math.nan
    empty: float = math.nan

    @property
    def mean(self) -> float:
        return math.fsum(self.delays) / len(self.delays) if self.delays else math.nan

    def quantile(self, share: float) -> float:
        return quantile(self.delays, share) if self.delays else math.nan


@dataclass(frozen=True)
class Observed:
    """The input that a run provides to the model; times on one clock, in seconds.

    `published` are the times of all its events in order; those from `first` on count, and
    requests within `window`. `request_times` are those of each polling client. `work` are samples
    of the work of client and server on a delivery (`NetworkPath.push` is their mean), drawn from
    at random. `busy` is how long one event occupies the machine: the next event waits.
    """

    published: Sequence[float]
    first: int
    window: tuple[float, float]
    clients: int
    request_times: Sequence[Sequence[float]] = ()
    work: Sequence[float] = ()
    busy: float = 0.0

    def turns(self) -> list[float]:
        """Return when the machine starts on each event: in order, one after the other."""
        turns: list[float] = []
        free = -math.inf
        for time in self.published:
            turns.append(max(time, free))
            free = turns[-1] + self.busy
        return turns

    def within(self, time: float) -> bool:
        return self.window[0] <= time < self.window[1]


def simulate(
    technique: str, workload: Workload, path: NetworkPath, sizes: Sizes, observed: Observed
) -> Simulated:
    """Simulate `technique` over the events of `observed`."""
    model = _Model(workload, path, sizes, observed)
    match BY_NAME[technique].response_ends:
        case "at once":
            runs = [model.polling(times) for times in observed.request_times if times]
        case "with events":
            runs = [model.long_polling(seed) for seed in range(observed.clients)]
        case _:
            runs = [model.open(seed) for seed in range(observed.clients)]
    delays = tuple(sorted(delay for run in runs for delay in run.delays))
    if not delays:
        return Simulated()
    requests = sum(run.requests for run in runs)
    empty = sum(run.empty for run in runs)
    return Simulated(delays, requests / len(runs), empty / max(1.0, requests))


@dataclass(frozen=True)
class _Model:
    """Each technique's model of one client. In its results `empty` is a count, not a share."""

    workload: Workload
    path: NetworkPath
    sizes: Sizes
    observed: Observed

    def _down(self, work: Sequence[float], seed: int) -> Callable[[float, float], float]:
        """Return a function for one connection: when bytes sent at a time have been processed.

        It follows the network's own schedule.
        """
        chance = random.Random(f"down {seed}")
        schedule, link = Schedule(chance), self.path.network.down

        def arrival(now: float, size: float) -> float:
            seconds = chance.choice(work)
            return schedule.arrival(link, now, round(size)) + seconds

        return arrival

    def polling(self, request_times: Sequence[float]) -> Simulated:
        """Simulate polling: each response has the events published since the previous request."""
        path, sizes, observed = self.path, self.sizes, self.observed
        # The phase comes from the run, the number of requests from the theory.
        first = bisect_left(request_times, observed.window[0])
        if first == len(request_times):
            return Simulated((), 0, 0)
        period = self.workload.interval + path.round_trip
        requests = max(0, math.ceil((observed.window[1] - request_times[first]) / period))
        arrival = self._down((path.service / 2,), 0)
        delays: list[float] = []
        published, index, full = observed.published, 0, 0
        for time in request_times:
            reached = time + path.network.up.mean_delay + path.service / 2
            previous, index = index, max(index, bisect_right(published, reached))
            arrived = arrival(reached, sizes.down + (index - previous) * sizes.event)
            delays += [arrived - published[n] for n in range(max(previous, observed.first), index)]
            full += index > previous and observed.within(time)
        return Simulated(tuple(delays), requests, max(0, requests - full))

    def long_polling(self, seed: int) -> Simulated:
        """Simulate long polling.

        For R after a response no request waits; the next request receives the events of that time.
        """
        path, sizes, observed = self.path, self.sizes, self.observed
        arrival = self._down(observed.work or (path.push_work,), seed)
        request_delay = path.network.up.mean_delay + path.service / 2
        delays, request_times, empty = list[float](), list[float](), 0
        published, turns = observed.published, observed.turns()
        index, ready = 0, published[0] if published else 0.0
        while index < len(published):
            # A poll that timed out without events is followed by another request.
            while ready + self.workload.hold < turns[index]:
                request_times.append(ready + self.workload.hold + path.again - request_delay)
                empty += observed.within(request_times[-1])
                ready = request_times[-1] + request_delay
            answered = max(ready, turns[index])
            previous, index = index, bisect_right(turns, answered)
            arrived = arrival(answered, sizes.down + (index - previous) * sizes.event)
            delays += [arrived - published[n] for n in range(max(previous, observed.first), index)]
            request_times.append(arrived)
            ready = arrived + request_delay
        return Simulated(tuple(delays), sum(map(observed.within, request_times)), empty)

    def open(self, seed: int) -> Simulated:
        """Simulate an open connection: each event is sent at once, after those in flight."""
        observed = self.observed
        arrival = self._down(observed.work or (self.path.push_work,), seed)
        delays = [
            arrival(turn, self.sizes.event) - event
            for event, turn in zip(observed.published, observed.turns(), strict=True)
        ]
        return Simulated(tuple(delays[observed.first :]))
