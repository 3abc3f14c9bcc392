"""What one technique's measurement comes to, and what theory says of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .ledger import Ledger, Sample, Sent, first_deliveries
from .probes import Volley
from .simulation import Played
from .statistics import Spread
from .theory import Prediction, Sizes, agrees


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
    request: float = 0.0  # the same by itself, whoever else asks under load
    push: float | None = None  # seconds of work on an event's way down, as probed
    volley: Volley = field(default_factory=Volley)  # what that was probed by
    played: Played | None = None  # the theory over these very events
    cores: int = 1  # of the machine that the clients share
    resets: int = 0
    rounds: int = 1  # of new clients each, which this is merged from
    sent: tuple[Sent, ...] = field(default=(), repr=False)
    samples: tuple[Sample, ...] = field(default=(), repr=False)

    @property
    def bottleneck(self) -> str | None:
        return self.watch.bottleneck(self.intended.p50)

    @property
    def crowding(self) -> float:
        """Seconds by which an event's deliveries wait, on average, for the work of each other's
        clients: half of what these take, on as many cores as are there. It is this tool's doing,
        since real clients do not share a machine."""
        return (self.volley.clients or 0.0) / self.cores / 2

    @property
    def crowded(self) -> bool:
        """Whether that is more than theory may be off by: the delay is then the tool's too."""
        return self.crowding > max(0.002, 0.05 * self.published.mean)

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
        played, half = self.played, slack * 1e3
        here = None if played is None else played.mean * 1e3
        checks = [Check("mean delay", "ms", delay.mean * 1e3, measured.mean * 1e3, 2.0, half, here)]
        for name, share, absolute in (("p50", 0.5, 2.0), ("p99", 0.99, 5.0)):
            found = measured.p50 if share == 0.5 else measured.p99
            if share == 0.5 or not math.isnan(found):
                here = None if played is None else played.quantile(share) * 1e3
                wanted = delay.quantile(share) * 1e3
                checks.append(Check(name, "ms", wanted, found * 1e3, absolute, half, here))
        cost = self.cost
        if cost.requests is not None and cost.deliveries:
            rate = cost.requests / self.clients / cost.seconds
            per_event = cost.requests_per_event or 0.0
            # The window cuts a cycle at each end.
            edge = self.rounds / max(1, len(self.sent))
            polls = max(1.0, cost.requests / self.clients)
            share = predicted.empty_share
            luck = 2 * (share * (1 - share) / polls) ** 0.5
            up, down = cost.up_per_event or 0.0, cost.down_per_event or 0.0
            # So is a ping, which a round shorter than the time between two may have or not.
            up_edge = edge * (up + self.sizes.ping_up)
            down_edge = edge * (down + self.sizes.ping_down)
            wanted = predicted.requests_per_event
            here_each = here_rate = here_empty = None
            if played is not None and played.requests is not None:
                here_each = played.requests * self.clients / max(1, cost.published)
                here_rate, here_empty = played.requests / cost.seconds, played.empty
            checks += [
                Check("requests/event", "", wanted, per_event, 0.0, edge, here_each),
                Check(
                    *("requests/s", "", predicted.requests_per_second, rate, 0.0),
                    *(1 / cost.seconds, here_rate),
                ),
                Check(
                    *("empty share", "", share, cost.empty_share or 0.0, 1 / polls),
                    *(luck, here_empty),
                ),
                Check("bytes up/event", "B", predicted.up_per_event, up, 2.0, up_edge),
                Check("bytes down/event", "B", predicted.down_per_event, down, 2.0, down_edge),
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


def spread(sent: Sequence[Sent], samples: Iterable[Sample], origin: str) -> Spread:
    """The delays of all first deliveries from each event's `origin`, a time of `Sent`."""
    by_event = first_deliveries(samples)
    return Spread.of(
        [sample.received - getattr(event, origin) for sample in by_event.get(event.number, ())]
        for event in sent
    )


@dataclass(frozen=True)
class Check:
    """One predicted figure beside the measured one.

    `predicted` holds on average over all samples; `here`, where it can be told, for the events
    that this sample had (`replay`). The measured figure is held against `here`, else against
    `predicted`. They agree within 5 % or `absolute`; they are consistent if they agree once
    `chance`, what the sample's size leaves open, is allowed for.
    """

    name: str
    unit: str
    predicted: float
    measured: float
    absolute: float
    chance: float = 0.0
    here: float | None = None

    @property
    def expected(self) -> float:
        return self.predicted if self.here is None else self.here

    @property
    def difference(self) -> float:
        return self.measured - self.expected

    @property
    def agrees(self) -> bool:
        return agrees(self.expected, self.measured, absolute=self.absolute)

    @property
    def consistent(self) -> bool:
        allowed = max(0.05 * abs(self.expected), self.absolute)
        allowed += 0.0 if self.here is not None else self.chance
        return abs(self.difference) <= allowed

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "predicted": self.predicted,
            "for_these_events": self.here,
            "measured": self.measured,
            "difference": self.difference,
            "agrees": self.agrees,
            "consistent": self.consistent,
        }
