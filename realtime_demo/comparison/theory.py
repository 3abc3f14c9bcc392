"""Predicted delay and cost of each technique, from the rate, the intervals and the network.

Pure functions; the derivations are in docs/theory.md, in the same order. Symbols: λ events a
second in a room; u and d one-way delays up and down in seconds; s seconds that client and server
work in one round trip; R = u + d + s; I the polling interval, which a client pauses after each
response; T = I + R; H the poll timeout of a long poll. Delay is from the event's publication at
the server to the client.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext as _

from realtime_demo.tap.network import Network
from transports.registry import BY_NAME

Arrivals = Literal["poisson", "fixed"]

# Bytes up and down between two pings: the client's ping of 4 bytes and its pong, the server's
# of 12 and its pong, each with a mask on the way up (RFC 6455 §5.2, §5.5.2).
PINGS = (10.0 + 18.0, 6.0 + 14.0)


class DoesNotFit(ValueError):
    """The events need more than the network's bandwidth."""


@dataclass(frozen=True)
class Component:
    """A share `weight` of all events, delayed by `start` plus uniform draws from [0, width]."""

    weight: float
    start: float
    widths: tuple[float, float] = (0.0, 0.0)

    @property
    def mean(self) -> float:
        return self.start + sum(self.widths) / 2

    def cdf(self, delay: float) -> float:
        """Return P(delay ≤ `delay`): the distribution of a sum of two uniforms (a trapezoid)."""
        y = delay - self.start
        wide, narrow = max(self.widths), min(self.widths)
        if wide < 1e-12:  # less than a picosecond: its square may underflow
            return float(y >= 0)
        if narrow < 1e-9 * wide:
            return min(1.0, max(0.0, y / wide))
        if y >= wide + narrow:
            return 1.0

        def ramp(z: float) -> float:
            return max(0.0, z) ** 2

        total = ramp(y) - ramp(y - wide) - ramp(y - narrow)
        return min(1.0, max(0.0, total / (2 * wide * narrow)))


@dataclass(frozen=True)
class Delay:
    """A distribution of delays in seconds: a mixture."""

    components: tuple[Component, ...]

    @property
    def mean(self) -> float:
        return sum(part.weight * part.mean for part in self.components)

    @property
    def longest(self) -> float:
        return max(part.start + sum(part.widths) for part in self.components if part.weight > 0)

    def cdf(self, delay: float) -> float:
        return sum(part.weight * part.cdf(delay) for part in self.components)

    def quantile(self, share: float) -> float:
        """Return the smallest delay that `share` (0 to 1) of the events do not exceed."""
        low, high = 0.0, self.longest
        for _step in range(60):
            middle = (low + high) / 2
            if self.cdf(middle) >= share - 1e-12:
                high = middle
            else:
                low = middle
        return high


@dataclass(frozen=True)
class Workload:
    """`rate` events a second in the room, arriving at random (Poisson) or at a fixed interval.

    `interval` is the pause of a polling client, `hold` the poll timeout of a long poll,
    `heartbeat` the silence after which an open connection sends a heartbeat, `ping` the time
    between a WebSocket's pings: all in seconds.
    """

    rate: float
    arrivals: Arrivals = "poisson"
    interval: float = 1.0
    hold: float = 25.0
    heartbeat: float = 15.0
    ping: float = 20.0

    def __post_init__(self) -> None:
        if not self.rate > 0:
            text = _("A rate must be events a second, above 0; got {rate}.")
            raise ValueError(text.format(rate=self.rate))
        if self.interval < 0 or self.hold <= 0 or self.heartbeat <= 0 or self.ping <= 0:
            text = _("Times must be above 0 s (interval: 0 s or more); got {workload}.")
            raise ValueError(text.format(workload=self))


@dataclass(frozen=True)
class NetworkPath:
    """The path between client and server: the network, and the work in one round trip.

    `service` (seconds) is the time of a request without network delay, half of it each way.
    `push` is the time of an event to a waiting client without network delay, averaged over the
    event's deliveries; None counts as half of `service`. `fan` is the time from an event's first
    delivery to its last, which one process writes one by one: deliveries times the cost of one. It
    is 0 if `push` includes it.
    """

    network: Network = field(default_factory=Network)
    service: float = 0.0
    push: float | None = None
    fan: float = 0.0

    @property
    def round_trip(self) -> float:
        return self.network.rtt + self.service

    @property
    def push_work(self) -> float:
        return self.service / 2 if self.push is None else self.push

    @property
    def again(self) -> float:
        """Mean seconds from a long poll's response to the next request's arrival."""
        return self.network.rtt + self.push_work + self.fan / 2 + self.service / 2

    def way_down(self, size: float, work: float) -> tuple[float, float]:
        """Return the seconds of `size` bytes down: the fixed part, and the width of the jitter."""
        down = self.network.down
        return down.delay + work + size / down.bandwidth, down.jitter


@dataclass(frozen=True)
class Sizes:
    """Bytes of a technique's pieces on the wire.

    `up` and `down` are a whole request and a whole empty response (polling, long polling)
    or one heartbeat (the others); `event` is the bytes that one event adds down. `ping_up` and
    `ping_down` are a WebSocket's pings and pongs, of both sides together.
    """

    up: float = 0.0
    down: float = 0.0
    event: float = 0.0
    ping_up: float = 0.0
    ping_down: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """The predicted delay and cost of one client of a technique. Bytes are TCP payload."""

    delay: Delay
    up_per_event: float
    down_per_event: float
    idle_up: float  # bytes an hour without events
    idle_down: float
    requests_per_second: float = 0.0
    requests_per_event: float = 0.0
    empty_share: float = 0.0  # of the requests


def predict(
    technique: str, workload: Workload, path: NetworkPath, sizes: Sizes | None = None
) -> Prediction:
    """Predict delay and cost of a technique of `transports.registry`. Raises `DoesNotFit`."""
    sizes = sizes or Sizes()
    match BY_NAME[technique].response_ends:
        case "at once":
            return _polling(workload, path, sizes)
        case "with events":
            return _long_polling(workload, path, sizes)
    return _open(workload, path, sizes)


def _polling(workload: Workload, path: NetworkPath, sizes: Sizes) -> Prediction:
    rate = workload.rate
    period = workload.interval + path.round_trip
    if workload.arrivals == "poisson":
        empty = math.exp(-rate * period)
    else:
        empty = max(0.0, 1 - rate * period)
    start, jitter = path.way_down(
        sizes.down + sizes.event * max(1.0, rate * period), path.service / 2
    )
    # A request arrives every T seconds; an event falls anywhere between two requests.
    delay = Delay((Component(1.0, start, (period, jitter)),))
    return _of_requests(delay, rate, period, empty, period, sizes)


def _long_polling(workload: Workload, path: NetworkPath, sizes: Sizes) -> Prediction:
    rate, gap, hold = workload.rate, path.again, workload.hold
    if workload.arrivals == "poisson":
        # For R between a response and the next request's arrival no request waits. The
        # probability of no event in that time is e^(-λR). The request then waits for an event,
        # at most H.
        quiet = math.exp(-rate * gap)
        answered = quiet * -math.expm1(-rate * hold)
        cycle = gap + answered / rate
        empty = quiet * math.exp(-rate * hold)
        at_once = answered / (rate * cycle)  # the share of events that find a request waiting
    elif rate * gap < 1:
        # Events further apart than R never fall into the gap after an event, and rarely (R of
        # every R + H) into the gap after an empty response; the latter is neglected.
        answers = 1 + math.floor(1 / rate / (gap + hold))
        cycle, empty, at_once = 1 / rate / answers, 1 - 1 / answers, 1.0
    else:
        # Every gap contains an event, at a uniform time in it, unless R is a multiple of the
        # interval between events.
        cycle, empty, at_once = gap, 0.0, 0.0
    start, jitter = path.way_down(sizes.down + sizes.event * rate * cycle, path.push_work)
    waited = Component(at_once, start, (path.fan, jitter))
    between = Component(1 - at_once, start + path.fan / 2, (gap, jitter))
    delay = Delay((waited, between))
    return _of_requests(delay, rate, cycle, empty, gap + hold, sizes)


def _of_requests(
    delay: Delay, rate: float, cycle: float, empty: float, idle_cycle: float, sizes: Sizes
) -> Prediction:
    """Predict a technique with a request in each `cycle`; without events, in each `idle_cycle`."""
    per_event = 1 / (rate * cycle)
    # An event has its share of heads and wrapping, and a comma unless it is the first of its batch.
    commas = max(0.0, 1 - per_event * (1 - empty))
    return Prediction(
        delay=delay,
        requests_per_second=1 / cycle,
        empty_share=empty,
        requests_per_event=per_event,
        up_per_event=per_event * sizes.up,
        down_per_event=per_event * sizes.down + sizes.event + commas,
        idle_up=3600 / idle_cycle * sizes.up,
        idle_down=3600 / idle_cycle * sizes.down,
    )


def _open(workload: Workload, path: NetworkPath, sizes: Sizes) -> Prediction:
    if workload.rate * sizes.event >= path.network.down.bandwidth:
        text = _(
            "Events of {size} bytes at a rate of {rate} a second exceed the bandwidth of "
            "{bandwidth} bytes a second."
        )
        bandwidth = f"{path.network.down.bandwidth:g}"
        raise DoesNotFit(
            text.format(rate=f"{workload.rate:g}", size=f"{sizes.event:g}", bandwidth=bandwidth)
        )
    start, jitter = path.way_down(sizes.event, path.push_work)
    # A heartbeat is sent only after that time without other data, a ping regardless of data.
    heartbeats = silences(workload, workload.heartbeat)
    pings = 1 / (workload.rate * workload.ping)
    hourly_heartbeats, hourly_pings = 3600 / workload.heartbeat, 3600 / workload.ping
    return Prediction(
        delay=Delay((Component(1.0, start, (path.fan, jitter)),)),
        up_per_event=heartbeats * sizes.up + pings * sizes.ping_up,
        down_per_event=sizes.event + heartbeats * sizes.down + pings * sizes.ping_down,
        idle_up=hourly_heartbeats * sizes.up + hourly_pings * sizes.ping_up,
        idle_down=hourly_heartbeats * sizes.down + hourly_pings * sizes.ping_down,
    )


def silences(workload: Workload, length: float) -> float:
    """Return the mean number of whole silences of `length` seconds between two events."""
    if workload.arrivals == "fixed":
        return math.floor(1 / workload.rate / length)
    # An exponential gap outlasts k lengths with probability e^(-λ·k·length).
    return 1 / math.expm1(workload.rate * length) if workload.rate * length < 700 else 0.0


def framed(technique: str, event: float, identity: float, room: float) -> float:
    """Return the bytes down of one event of `event` bytes of JSON on an open connection.

    `identity` is the length of its id, `room` that of its room's name.
    """
    text = BY_NAME[technique].around_event
    return _on_wire(technique, event + _length(text, identity, room))


def open_sizes(technique: str, event: float, identity: float, room: float) -> Sizes:
    """Return the sizes on an open connection; see `framed`."""
    heartbeat = _on_wire(technique, _length(BY_NAME[technique].heartbeat, identity, room))
    pings = PINGS if BY_NAME[technique].scheme == "ws" else (0.0, 0.0)
    return Sizes(0.0, heartbeat, framed(technique, event, identity, room), *pings)


def _length(text: str, identity: float, room: float) -> float:
    ids, rooms = text.count("{id}"), text.count("{room}")
    bare = text.replace("{id}", "").replace("{room}", "")
    return len(bare) + ids * identity + rooms * room


def _on_wire(technique: str, payload: float) -> float:
    """Return the bytes of a WebSocket frame (RFC 6455 §5.2) or a chunk (RFC 9112 §7.1)."""
    if BY_NAME[technique].scheme == "ws":
        return payload + (2 if payload < 126 else 4 if payload < 65_536 else 10)
    return payload + len(f"{round(payload):x}") + 4
