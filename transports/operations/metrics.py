"""What this process counts, cheaply: plain numbers, added to once a batch and read when asked for.

`exposition` shows them to Prometheus.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from transports.events import Batch

# Upper bounds in seconds; behind the last one, everything. A local delivery takes about a
# millisecond, polling as long as its interval, a full outage the rest.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Histogram:
    """How many observations were at most each of `BOUNDS`, and the sum of them all."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        # Two machines' clocks may disagree: nothing arrives before it was published.
        if seconds < 0.0:  # max() takes five times as long
            seconds = 0.0
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Meter:
    """What one technique has done."""

    __slots__ = ("batches", "connections", "delay", "deliveries", "opened", "resets")

    def __init__(self) -> None:
        self.connections = 0  # open now: requests being answered, and sockets
        self.opened = 0
        self.deliveries = 0  # events handed to a client's connection
        self.batches = 0  # not empty ones
        self.resets = 0
        self.delay = Histogram()  # from published_at to here, of each batch's newest event

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Counts as open while the block lasts."""
        self.connections += 1
        self.opened += 1
        try:
            yield
        finally:
            self.connections -= 1

    def delivered(self, batch: Batch, *, live: bool = True) -> None:
        """Count a batch; the delay of one that is not `live`, the backlog, says nothing."""
        events = batch.events
        if not events:
            return
        self.batches += 1
        self.deliveries += len(events)
        if len(events) > 1 or events[0].type == "reset":
            self.resets += sum(event.type == "reset" for event in events)
        if live:
            self.delay.observe(time.time() - events[-1].published_at)


@dataclass
class Metrics:
    """Counted since the process started."""

    meters: defaultdict[str, Meter] = field(default_factory=lambda: defaultdict(Meter))
    published: Histogram = field(default_factory=Histogram)  # seconds a publish took
    unpublished: int = 0  # publishes that the history did not take
    hub_lag: Histogram = field(default_factory=Histogram)  # published_at to the hub's tail


metrics = Metrics()
