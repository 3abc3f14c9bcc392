"""Results of a run: events, the ledger of their deliveries, costs, and predictions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from transports.registry import BY_NAME

from .plan import Plan, Settings
from .simulation import Simulated
from .statistics import Spread, mean_of_known
from .theory import Delay, Prediction, Sizes

LEAST = 0.0005  # seconds: a probe's events with less work than three times this always count
PING = 20.0  # seconds between a WebSocket's pings


class Sent(NamedTuple):
    """An event that the server has accepted. Times in seconds; see `server.Clock`."""

    number: int
    intended: float
    actual: float
    published: float  # the server's time, converted to the publisher's clock
    acknowledged: float
    seq: int


class Sample(NamedTuple):
    """One delivery: event `number` reached `client` at `received`."""

    client: int
    number: int
    received: float


@dataclass(frozen=True)
class Ledger:
    """Counts of deliveries, each of one event to one client. The fields are members of the JSON."""

    sent: int = 0  # accepted events times clients
    received: int = 0  # distinct deliveries
    lost: int = 0  # `sent` - `received`
    duplicated: int = 0  # deliveries after the first
    out_of_order: int = 0  # first deliveries out of order: after one with a later seq
    refused: int = 0  # rejected events times clients

    @property
    def complete(self) -> bool:
        return not (self.lost or self.duplicated or self.out_of_order or self.refused)

    @classmethod
    def of(
        cls, sent: Sequence[Sent], samples: Iterable[Sample], clients: int, refused: int = 0
    ) -> Ledger:
        """Count `samples`, which are in each client's order of receipt; `refused` is in events."""
        seqs: Mapping[int, int] = {event.number: event.seq for event in sent}
        deliveries: Counter[tuple[int, int]] = Counter()
        latest: dict[int, int] = {}
        out_of_order = 0
        for sample in samples:
            seq = seqs.get(sample.number)
            if seq is None:
                continue  # of the warm-up, or from another publisher
            deliveries[sample.client, sample.number] += 1
            if deliveries[sample.client, sample.number] == 1:
                out_of_order += seq < latest.get(sample.client, 0)
                latest[sample.client] = max(seq, latest.get(sample.client, 0))
        expected, received = len(sent) * clients, len(deliveries)
        return cls(
            expected,
            received,
            lost=expected - received,
            duplicated=deliveries.total() - received,
            out_of_order=out_of_order,
            refused=refused * clients,
        )


def first_deliveries(samples: Iterable[Sample]) -> dict[int, list[Sample]]:
    """Return each event's first delivery to each client, by the event's number."""
    delivered: set[tuple[int, int]] = set()
    deliveries: dict[int, list[Sample]] = {}
    for sample in samples:
        if (sample.client, sample.number) not in delivered:
            delivered.add((sample.client, sample.number))
            deliveries.setdefault(sample.number, []).append(sample)
    return deliveries


@dataclass(frozen=True)
class EventProbe:
    """A probe of events sent one by one to waiting clients: publication times by event number.

    `server` and `clients` are the CPU seconds of one event, without its publishing and the pause
    after it. NaN: unknown, as when several techniques run together.
    """

    published: dict[int, float] = field(default_factory=dict)
    server: float = math.nan
    clients: float = math.nan

    def __add__(self, other: EventProbe) -> EventProbe:
        """Return the events of both probes, with the mean of their costs."""
        return replace(
            self,
            published=self.published | other.published,
            server=mean_of_known([self.server, other.server]),
            clients=mean_of_known([self.clients, other.clients]),
        )

    @property
    def busy(self) -> float:
        """CPU seconds of one event, without publishing."""
        return sum(cpu for cpu in (self.server, self.clients) if not math.isnan(cpu))

    def work(self, samples: Iterable[Sample], start: float, jitter: float) -> list[float]:
        """Return the seconds that client and server worked on each delivery of these events.

        The network takes `start` seconds plus up to `jitter` at random; `start` and the mean
        jitter are subtracted. Events with more than three times the work of the median event
        are outliers and omitted: a probe is too small to sample rare stalls of the machine, and
        one stall would outweigh all other events. The limit applies to the work without the
        network, since no delay is three times that of a long path.
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


@dataclass(frozen=True)
class Cost:
    """Costs on the wire of one client's events, and on the server of all clients' events.

    All of them are counted between the same two moments. NaN: unknown (no tap, or the server
    is not on this machine).
    """

    seconds: float
    published: int  # deliveries due for the events published in the window
    deliveries: int  # deliveries that came in the window
    requests: float = math.nan
    empty: float = math.nan
    up: float = math.nan
    down: float = math.nan
    connections: float = math.nan  # open at the window's end
    reconnects: float = math.nan  # opened in the window
    cpu: float = math.nan  # server seconds for 1,000 deliveries, without publishing
    memory: float = math.nan  # server bytes per connection

    @property
    def requests_per_event(self) -> float:
        return self.requests / self.published

    @property
    def up_per_event(self) -> float:
        return self.up / self.published

    @property
    def down_per_event(self) -> float:
        """Divides by the deliveries counted with these bytes, not by the events published."""
        return self.down / self.deliveries if self.deliveries else math.nan

    @property
    def empty_share(self) -> float:
        return self.empty / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class GeneratorFigures:
    """The load generator's own figures: shares of a core, and lateness in seconds.

    `failures` are publishes that the server rejected, `errors` clients that stopped.
    """

    publisher_busy: float
    subscriber_busy: float
    publisher_late: float  # 90th percentiles of the event loops' own lateness,
    subscriber_late: float  # without waiting for the server
    failures: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    def bottleneck(self, delay: float) -> str | None:
        """Return why the figures are withheld, or None; `delay` is the median that they report."""
        allowed = max(0.010, delay / 10)
        for name, busy, late in (
            (_("the publisher"), self.publisher_busy, self.publisher_late),
            (_("the subscribers"), self.subscriber_busy, self.subscriber_late),
        ):
            if busy > 0.85:
                return _("{name} used {share} of a core").format(name=name, share=f"{busy:.0%}")
            if late > allowed:
                text = _("{name} ran {ms} ms late with {share} of a core").format(
                    name=name, ms=f"{late * 1e3:.0f}", share=f"{busy:.0%}"
                )
                if busy < 0.5:
                    text += _(" (so another process was using the machine)")
                return text
        return None


@dataclass(frozen=True)
class Idle:
    """Bytes an hour of an idle client, measured over `seconds`. NaN: unknown."""

    up: float = math.nan
    down: float = math.nan
    seconds: float = math.nan


@dataclass(frozen=True)
class Measurement:
    """The measurement of one technique under one configuration.

    It has three delays to the client, in seconds: from the intended sending, from the actual
    sending, and from the publication at the server. Theory predicts the third.
    """

    name: str
    technique: str
    clients: int
    ledger: Ledger
    intended: Spread
    actual: Spread
    published: Spread
    cost: Cost
    generator: GeneratorFigures
    prediction: Prediction
    idle: Idle = field(default_factory=Idle)
    sizes: Sizes = field(default_factory=Sizes)
    event_bytes: float = 0.0  # of an event's JSON
    service: float = 0.0  # seconds of work in a round trip, as probed
    request: float = 0.0  # the same without load
    push: float | None = None  # seconds of work on an event's delivery, as probed
    event_probe: EventProbe = field(default_factory=EventProbe)  # the probe for `push`
    simulated: Simulated = field(default_factory=Simulated)  # the theory applied to these events
    cores: int = 1  # of the machine that the clients share
    resets: int = 0
    rounds: int = 1  # merged into this, with new clients in each
    sent: tuple[Sent, ...] = field(default=(), repr=False)
    samples: tuple[Sample, ...] = field(default=(), repr=False)

    @property
    def bottleneck(self) -> str | None:
        return self.generator.bottleneck(self.intended.p50)

    @property
    def crowding(self) -> float:
        """Mean seconds that an event's deliveries wait for the work of the other clients.

        Half of the clients' work, spread over the cores. This is an artefact of the tool: real
        clients do not share a machine. NaN: unknown.
        """
        return self.event_probe.clients / self.cores / 2

    @property
    def crowded(self) -> bool:
        """Whether crowding exceeds the theory's tolerance, so that it shows in the delay."""
        return self.crowding > max(0.002, 0.05 * self.published.mean)

    def delays(self) -> list[float]:
        """Return the delays from publication to each first delivery, sorted."""
        published = {event.number: event.published for event in self.sent}
        return sorted(
            sample.received - published[number]
            for number, samples in first_deliveries(self.samples).items()
            if number in published
            for sample in samples
        )

    def comparison(self) -> list[Check]:
        """Return the checks of predicted against measured figures."""
        checks = self._delay_checks()
        if self.cost.deliveries and not math.isnan(self.cost.requests):
            checks += self._cost_checks()
        if not math.isnan(self.idle.seconds):
            # The time may include one heartbeat more or less; a WebSocket has two kinds of ping.
            period = PING if BY_NAME[self.technique].scheme == "ws" else 0.0
            share = min(1.0, period / self.idle.seconds)
            for name, expected, idle in (
                (gettext_noop("idle up/hour"), self.prediction.idle_up, self.idle.up),
                (gettext_noop("idle down/hour"), self.prediction.idle_down, self.idle.down),
            ):
                checks.append(Check(name, "B", expected, idle, 0.0, expected * share))
        return checks

    def _delay_checks(self) -> list[Check]:
        measured = self.published
        # The uncertainty of a mean of few samples.
        half = (measured.high - measured.low) / 2 if measured.count else 0.0

        def check(
            name: str, value: float, tolerance: float, of: Callable[[Delay | Simulated], float]
        ) -> Check:
            predicted, simulated = of(self.prediction.delay) * 1e3, of(self.simulated) * 1e3
            return Check(name, "ms", predicted, value * 1e3, tolerance, half * 1e3, simulated)

        checks = [
            check(gettext_noop("mean delay"), measured.mean, 2.0, lambda delays: delays.mean),
            check("p50", measured.p50, 2.0, lambda delays: delays.quantile(0.5)),
        ]
        if not math.isnan(measured.p99):
            checks.append(check("p99", measured.p99, 5.0, lambda delays: delays.quantile(0.99)))
        return checks

    def _cost_checks(self) -> list[Check]:
        predicted, cost, sizes = self.prediction, self.cost, self.sizes
        simulated = self.simulated
        # The window cuts a cycle at each end; a round shorter than the time between two pings
        # may have a ping or not.
        edge = self.rounds / max(1, len(self.sent))
        up, down = cost.up_per_event, cost.down_per_event
        each = cost.requests / self.clients
        polls, share = max(1.0, each), predicted.empty_share
        chance = 2 * (share * (1 - share) / polls) ** 0.5
        of_event = simulated.requests * self.clients / max(1, cost.published)
        of_second = simulated.requests / cost.seconds
        up_edge, down_edge = edge * (up + sizes.ping_up), edge * (down + sizes.ping_down)
        per_event, a_second = predicted.requests_per_event, predicted.requests_per_second
        up_each, down_each = predicted.up_per_event, predicted.down_per_event
        requests, empty, a_request = cost.requests_per_event, cost.empty_share, 1 / cost.seconds
        rate = each / cost.seconds
        return [
            Check(gettext_noop("requests/event"), "", per_event, requests, 0.0, edge, of_event),
            Check(gettext_noop("requests/s"), "", a_second, rate, 0.0, a_request, of_second),
            Check(
                gettext_noop("empty share"), "", share, empty, 1 / polls, chance, simulated.empty
            ),
            Check(gettext_noop("bytes up/event"), "B", up_each, up, 2.0, up_edge),
            Check(gettext_noop("bytes down/event"), "B", down_each, down, 2.0, down_edge),
        ]


def spread(sent: Sequence[Sent], samples: Iterable[Sample], origin: str) -> Spread:
    """Return the delays of all first deliveries from each event's `origin`, a time of `Sent`."""
    by_event = first_deliveries(samples)
    return Spread.of(
        [sample.received - getattr(event, origin) for sample in by_event.get(event.number, ())]
        for event in sent
    )


@dataclass(frozen=True)
class Check:
    """A predicted and a measured figure.

    `predicted` is the average over all samples; `simulated`, if known, is for the events of this
    sample (`simulation`). The measured figure is checked against `simulated`, else against
    `predicted`. They agree within 5 % or `absolute`; they are consistent if they also agree
    within `chance`, the sampling error.
    """

    name: str
    unit: str
    predicted: float
    measured: float
    absolute: float
    chance: float = 0.0
    simulated: float = math.nan

    @property
    def expected(self) -> float:
        return self.predicted if math.isnan(self.simulated) else self.simulated

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
        chance = self.chance if math.isnan(self.simulated) else 0.0
        return abs(self.difference) <= self.allowed + chance

    def document(self) -> dict[str, Any]:
        names = "name", "unit", "predicted", "measured", "difference", "agrees", "consistent"
        return {name: getattr(self, name) for name in names} | {"for_these_events": self.simulated}


@dataclass(frozen=True)
class Configuration:
    """One configuration's measurements."""

    settings: Settings
    measurements: tuple[Measurement, ...]

    @property
    def shown(self) -> list[Measurement]:
        """The measurements whose figures are not withheld."""
        return [one for one in self.measurements if not one.bottleneck]


@dataclass(frozen=True)
class Result:
    """The result of a run, to print, save and draw."""

    plan: Plan
    began: str  # ISO 8601, UTC
    environment: dict[str, Any]
    server: str
    same_host: bool
    clock_offset: float
    clock_uncertainty: float
    configurations: tuple[Configuration, ...]
    warnings: tuple[str, ...] = field(default=())
    http_cpu: float = 0.0  # CPU seconds of the HTTP client for one publish

    @property
    def measurements(self) -> list[tuple[Configuration, Measurement]]:
        return [(one, each) for one in self.configurations for each in one.measurements]

    @property
    def complete(self) -> bool:
        """Whether no event was rejected, lost, duplicated or out of order."""
        return all(measurement.ledger.complete for _, measurement in self.measurements)
