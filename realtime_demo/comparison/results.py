"""What a run has found: each event and delivery, their ledger, costs, and theory beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Any, NamedTuple

from .plan import Plan, Settings
from .simulation import Simulated
from .statistics import Spread
from .theory import Delay, Prediction, Sizes
from .traits import framing

LEAST = 0.0005  # seconds of work that no event of a probe is left out for
PING = 20.0  # seconds between a socket's pings


class Sent(NamedTuple):
    """An event that the server has accepted. Times in seconds; see `measurement.Clock`."""

    number: int
    intended: float
    actual: float
    published: float  # as the server says, brought to the publisher's clock
    acknowledged: float
    seq: int


class Sample(NamedTuple):
    """One delivery: event `number` reached `client` at `received`."""

    client: int
    number: int
    received: float


@dataclass(frozen=True)
class Ledger:
    """Deliveries: one event to one client counts once in each column it belongs to.

    `sent` is events that the server accepted times clients, `refused` those that it did not;
    `received` distinct deliveries; `lost` = `sent` - `received`; `doubled` deliveries beyond the
    first; `disordered` first deliveries behind one with a later seq.
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    refused: int = 0

    @property
    def complete(self) -> bool:
        return not (self.lost or self.doubled or self.disordered or self.refused)

    @classmethod
    def of(
        cls, sent: Sequence[Sent], samples: Iterable[Sample], clients: int, refused: int = 0
    ) -> Ledger:
        """`samples` in the order in which each client received them; `refused` in events."""
        order: Mapping[int, int] = {event.number: event.seq for event in sent}
        seen: Counter[tuple[int, int]] = Counter()
        latest: dict[int, int] = {}
        disordered = 0
        for sample in samples:
            seq = order.get(sample.number)
            if seq is None:
                continue  # warm-up, or published by someone else
            seen[sample.client, sample.number] += 1
            if seen[sample.client, sample.number] == 1:
                disordered += seq < latest.get(sample.client, 0)
                latest[sample.client] = max(seq, latest.get(sample.client, 0))
        due = len(sent) * clients
        return cls(
            sent=due,
            received=len(seen),
            lost=due - len(seen),
            doubled=seen.total() - len(seen),
            disordered=disordered,
            refused=refused * clients,
        )


def first_deliveries(samples: Iterable[Sample]) -> dict[int, list[Sample]]:
    """Each event's first delivery to each client, by the event's number."""
    seen: set[tuple[int, int]] = set()
    found: dict[int, list[Sample]] = {}
    for sample in samples:
        if (sample.client, sample.number) not in seen:
            seen.add((sample.client, sample.number))
            found.setdefault(sample.number, []).append(sample)
    return found


@dataclass(frozen=True)
class EventProbe:
    """What an event takes to clients that wait for it: events sent one by one, and when each was
    published, by its number.

    `server` and `clients` are the CPU seconds that one event took, publishing and the pause behind
    it taken off. None: not known; together, an event's work is everyone's.
    """

    published: dict[int, float] = field(default_factory=dict)
    server: float | None = None
    clients: float | None = None

    def __add__(self, other: EventProbe) -> EventProbe:
        """The events of both, and the mean of their costs."""
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
class Cost:
    """What one client's events cost on the wire, and all of them on the server.

    Everything is counted between the same two moments; None is what could not be known
    (no tap, no server of this machine).
    """

    seconds: float
    published: int  # deliveries due for the events published in the window
    deliveries: int  # deliveries that came in the window
    requests: int | None = None
    empty: int | None = None
    up: int | None = None
    down: int | None = None
    connections: int | None = None  # open at the window's end
    reconnects: int | None = None  # opened anew in the window
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
class Idle:
    """Bytes a second of an idle client, watched for so many `seconds`."""

    up: float
    down: float
    seconds: float


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
    idle: Idle | None = None
    sizes: Sizes = field(default_factory=Sizes)
    event_bytes: float = 0.0  # of an event's JSON
    service: float = 0.0  # seconds of work in a round trip, as probed
    request: float = 0.0  # the same by itself, whoever else asks under load
    push: float | None = None  # seconds of work on an event's way down, as probed
    event_probe: EventProbe = field(default_factory=EventProbe)  # what that was probed by
    simulated: Simulated | None = None  # the theory over these very events
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
        return (self.event_probe.clients or 0.0) / self.cores / 2

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

    @property
    def idle_up(self) -> float | None:
        """Bytes an hour of one client, as is `idle_down`."""
        return None if self.idle is None else self.idle.up * 3600

    @property
    def idle_down(self) -> float | None:
        return None if self.idle is None else self.idle.down * 3600

    def comparison(self) -> list[Check]:
        """Predicted beside measured."""
        checks = self._delay_checks()
        if self.cost.requests is not None and self.cost.deliveries:
            checks += self._cost_checks(self.cost.requests)
        if self.idle is not None:
            # A sign of life more or less; two kinds of ping on a socket.
            beat = PING if framing(self.technique) == "websocket" else 0.0
            share = min(1.0, beat / self.idle.seconds)
            for name, expected, idle in (
                ("idle up/hour", self.prediction.idle_up, self.idle.up),
                ("idle down/hour", self.prediction.idle_down, self.idle.down),
            ):
                checks.append(Check(name, "B", expected, idle * 3600, 0.0, expected * share))
        return checks

    def _delay_checks(self) -> list[Check]:
        measured = self.published
        # A mean of few samples is known no better than so.
        half = (measured.high - measured.low) / 2 if measured.count else 0.0

        def check(
            name: str, found: float, most: float, of: Callable[[Delay | Simulated], float]
        ) -> Check:
            here = None if self.simulated is None else of(self.simulated) * 1e3
            predicted = of(self.prediction.delay) * 1e3
            return Check(name, "ms", predicted, found * 1e3, most, half * 1e3, here)

        checks = [
            check("mean delay", measured.mean, 2.0, lambda delays: delays.mean),
            check("p50", measured.p50, 2.0, lambda delays: delays.quantile(0.5)),
        ]
        if not math.isnan(measured.p99):
            checks.append(check("p99", measured.p99, 5.0, lambda delays: delays.quantile(0.99)))
        return checks

    def _cost_checks(self, requests: int) -> list[Check]:
        predicted, cost, sizes, here = self.prediction, self.cost, self.sizes, self.simulated
        # The window cuts a cycle at each end; and a ping, which a round shorter than the time
        # between two may have or not.
        edge = self.rounds / max(1, len(self.sent))
        up, down = cost.up_per_event or 0.0, cost.down_per_event or 0.0
        polls = max(1.0, requests / self.clients)
        share = predicted.empty_share
        luck = 2 * (share * (1 - share) / polls) ** 0.5
        rate = requests / self.clients / cost.seconds
        each_here = rate_here = empty_here = None
        if here is not None and here.requests is not None:
            each_here = here.requests * self.clients / max(1, cost.published)
            rate_here, empty_here = here.requests / cost.seconds, here.empty
        each, a_second = predicted.requests_per_event, predicted.requests_per_second
        up_edge, down_edge = edge * (up + sizes.ping_up), edge * (down + sizes.ping_down)
        empty = cost.empty_share or 0.0
        return [
            Check("requests/event", "", each, cost.requests_per_event or 0, 0, edge, each_here),
            Check("requests/s", "", a_second, rate, 0.0, 1 / cost.seconds, rate_here),
            Check("empty share", "", share, empty, 1 / polls, luck, empty_here),
            Check("bytes up/event", "B", predicted.up_per_event, up, 2.0, up_edge),
            Check("bytes down/event", "B", predicted.down_per_event, down, 2.0, down_edge),
        ]


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
    def allowed(self) -> float:
        return max(0.05 * abs(self.expected), self.absolute)

    @property
    def agrees(self) -> bool:
        return abs(self.difference) <= self.allowed

    @property
    def consistent(self) -> bool:
        chance = 0.0 if self.here is not None else self.chance
        return abs(self.difference) <= self.allowed + chance

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


@dataclass(frozen=True)
class Configuration:
    """One configuration's measurements."""

    settings: Settings
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class Result:
    """A run, as it is printed, saved and drawn."""

    plan: Plan
    began: str  # ISO 8601, UTC
    environment: dict[str, Any]
    server: str
    same_host: bool
    clock_offset: float
    clock_uncertainty: float
    configurations: tuple[Configuration, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Nothing refused, lost, doubled or out of order, nowhere."""
        return all(
            measurement.ledger.complete
            for configuration in self.configurations
            for measurement in configuration.measurements
        )
