"""What one technique's measurement comes to, and what theory says of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .figures import Spread
from .ledger import Ledger, Sample, Sent, first_deliveries
from .theory import Prediction, Sizes, agrees

FEWEST = 100  # samples without which there is no 99th percentile


@dataclass(frozen=True)
class Cost:
    """What one client's events cost on the wire, and all of them on the server.

    Everything is counted between the same two moments; None is what could not be known
    (no tap, no server of this machine).
    """

    seconds: float
    published: int  # deliveries due for the events published in the window
    deliveries: int  # deliveries that came in the window
    requests: int | None
    empty: int | None
    up: int | None
    down: int | None
    connections: int | None  # open at the window's end
    reconnects: int | None  # opened anew in the window
    cpu: float | None = None  # server seconds for 1,000 deliveries, publishing taken off
    memory: float | None = None  # server bytes a connection

    @property
    def requests_per_event(self) -> float | None:
        return None if self.requests is None else self.requests / self.published

    @property
    def up_per_event(self) -> float | None:
        return None if self.up is None else self.up / self.published

    @property
    def down_per_event(self) -> float | None:
        """By the deliveries whose bytes these are, not the events published meanwhile."""
        return None if self.down is None or not self.deliveries else self.down / self.deliveries

    @property
    def empty_share(self) -> float | None:
        if self.empty is None or not self.requests:
            return None if self.empty is None else 0.0
        return self.empty / self.requests


@dataclass(frozen=True)
class Watch:
    """How the load generator fared: shares of a core, and lateness in seconds.

    `failures` are publishes that the server refused, `errors` clients that gave up.
    """

    publisher_busy: float
    subscriber_busy: float
    publisher_late: float  # 90th percentiles of the event loops' own lateness: what waits for
    subscriber_late: float  # the server is not in it
    failures: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def bottleneck(self, delay: float) -> str | None:
        """Why no figure may be published, if so; `delay` is the median that is at stake."""
        allowed = max(0.010, delay / 10)
        for name, busy, late in (
            ("publisher", self.publisher_busy, self.publisher_late),
            ("subscribers", self.subscriber_busy, self.subscriber_late),
        ):
            if busy > 0.85:
                return f"the {name} used {busy:.0%} of a core"
            if late > allowed:
                elsewhere = " (so something else had the machine)" if busy < 0.5 else ""
                return (
                    f"the {name} ran {late * 1e3:.0f} ms late with {busy:.0%} of a core{elsewhere}"
                )
        return None


@dataclass(frozen=True)
class Measurement:
    """One technique under one configuration.

    Three delays, in seconds, to the client: from the intended sending, from the actual one,
    and from the publication at the server, which is what theory predicts.
    """

    name: str
    technique: str
    clients: int
    ledger: Ledger
    intended: Spread
    actual: Spread
    published: Spread
    cost: Cost
    watch: Watch
    prediction: Prediction
    idle_up: float | None  # bytes an hour of one client
    idle_down: float | None
    idle_seconds: float = 0.0
    sizes: Sizes = field(default_factory=Sizes)
    event_bytes: float = 0.0  # of an event's JSON
    service: float = 0.0  # seconds of work in a round trip, as probed
    resets: int = 0
    sent: tuple[Sent, ...] = field(default=(), repr=False)
    samples: tuple[Sample, ...] = field(default=(), repr=False)

    @property
    def bottleneck(self) -> str | None:
        return self.watch.bottleneck(self.intended.p50)

    def delays(self) -> list[float]:
        """From publication to each first delivery, sorted."""
        published = {event.number: event.published for event in self.sent}
        return sorted(
            sample.received - published[number]
            for number, samples in first_deliveries(self.samples).items()
            if number in published
            for sample in samples
        )

    def with_idle(self, idle: dict[str, float] | None) -> Measurement:
        """With what an idle client was seen to cost, in bytes a second each way."""
        if idle is None:
            return self
        return replace(
            self,
            idle_up=idle["up"] * 3600,
            idle_down=idle["down"] * 3600,
            idle_seconds=idle["seconds"],
        )

    def comparison(self) -> list[Check]:
        """Predicted beside measured."""
        predicted, measured = self.prediction, self.published
        delay = predicted.delay
        # A mean of few samples is known no better than so.
        slack = (measured.high - measured.low) / 2 if measured.count else 0.0
        checks = [
            Check("mean delay", "ms", delay.mean * 1e3, measured.mean * 1e3, 2.0, slack * 1e3),
            Check("p50", "ms", delay.quantile(0.5) * 1e3, measured.p50 * 1e3, 2.0, slack * 1e3),
        ]
        if measured.count >= FEWEST:
            late = delay.quantile(0.99) * 1e3
            checks.append(Check("p99", "ms", late, measured.p99 * 1e3, 5.0, slack * 1e3))
        cost = self.cost
        if cost.requests is not None and cost.deliveries:
            rate = cost.requests / self.clients / cost.seconds
            per_event = cost.requests_per_event or 0.0
            # The window cuts a cycle at each end.
            edge = 1 / max(1, len(self.sent))
            polls = max(1.0, cost.requests / self.clients)
            share = predicted.empty_share
            luck = 2 * (share * (1 - share) / polls) ** 0.5
            up, down = cost.up_per_event or 0.0, cost.down_per_event or 0.0
            wanted = predicted.requests_per_event
            checks += [
                Check("requests/event", "", wanted, per_event, 0.0, edge if wanted else 0.0),
                Check("requests/s", "", predicted.requests_per_second, rate, 0.0, 1 / cost.seconds),
                Check("empty share", "", share, cost.empty_share or 0.0, 0.02, luck),
                Check("bytes up/event", "B", predicted.up_per_event, up, 2.0, edge * up),
                Check("bytes down/event", "B", predicted.down_per_event, down, 2.0, edge * down),
            ]
        for name, idle, expected in (
            ("idle up/hour", self.idle_up, predicted.idle_up),
            ("idle down/hour", self.idle_down, predicted.idle_down),
        ):
            if idle is not None:
                # A sign of life more or less; two kinds of ping on a socket.
                beat = 20.0 if self.technique.startswith("websocket") else 0.0
                chance = expected * min(1.0, beat / self.idle_seconds)
                checks.append(Check(name, "B", expected, idle, 0.0, chance))
        return checks


@dataclass(frozen=True)
class Check:
    """One predicted figure beside the measured one.

    They agree within 5 % or `absolute`; they are consistent if they agree once `chance`, what
    the sample's size leaves open, is allowed for.
    """

    name: str
    unit: str
    predicted: float
    measured: float
    absolute: float
    chance: float = 0.0

    @property
    def difference(self) -> float:
        return self.measured - self.predicted

    @property
    def agrees(self) -> bool:
        return agrees(self.predicted, self.measured, absolute=self.absolute)

    @property
    def consistent(self) -> bool:
        allowed = max(0.05 * abs(self.predicted), self.absolute) + self.chance
        return abs(self.difference) <= allowed

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "predicted": self.predicted,
            "measured": self.measured,
            "difference": self.difference,
            "agrees": self.agrees,
            "consistent": self.consistent,
        }
