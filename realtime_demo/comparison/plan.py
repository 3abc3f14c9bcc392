"""What is to be measured: everything that a rerun needs, and the schedule that it makes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from realtime_demo.tap.network import Network
from transports.events import Event
from transports.registry import BY_NAME, TECHNIQUES

from .local_server import APPLICATION
from .theory import Arrivals, Path, Sizes, Workload, framed, predict
from .traits import FRAMINGS, ResponseEnds, asks, response_ends

SEED_STEP = 1_000_003  # between rounds: a prime, so that rounds of neighbouring seeds differ
FEWEST_EVENTS = 4  # in each round
MOST_EVENTS = 1_000_000  # in all, on average: a schedule is made before it is kept
LONGEST_HOLD = 55.0  # seconds: the contract's cap of `wait`
COMPARED = tuple(technique.name for technique in TECHNIQUES if technique.on_page)


@dataclass(frozen=True)
class Adapter:
    """One column of the comparison: a technique of this project's, or someone else's endpoint.

    `technique` is how the theory treats it; `path` (with `{room}`) is None for this project's
    own endpoint, which the project's own Python clients follow.
    """

    name: str
    technique: str
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """`sse` (ours), or `sse=/events/{room}/` (theirs). Raises `ValueError`."""
        name, equals, path = text.partition("=")
        if not equals:
            if name not in BY_NAME:
                known = ", ".join(BY_NAME)
                raise ValueError(f"No technique is called {name!r}; there are {known}.")
            return cls(name, name)
        if name not in FRAMINGS or not path.startswith("/"):
            raise ValueError(
                f"An adapter looks like sse=/events/{{room}}/, with one of "
                f"{', '.join(FRAMINGS)}; got {text!r}."
            )
        return cls(f"{name} {path}", name, path)

    @property
    def ends(self) -> ResponseEnds:
        return response_ends(self.technique)

    @property
    def asks(self) -> bool:
        return asks(self.technique)


@dataclass(frozen=True)
class Settings:
    """One configuration. Times in seconds, `bandwidth` in bytes a second, `size` in characters.

    `techniques` are in the form of `Adapter.parse`. `together` measures all techniques on the
    same events at the same time; else each has the machine to itself, and the same seed gives
    each the same schedule. `duration` is all that is measured of a technique, in so many `rounds`
    with new clients each. Raises `ValueError` for what cannot be measured.
    """

    techniques: tuple[str, ...] = COMPARED
    clients: int = 5
    rate: float = 10.0
    arrivals: Arrivals = "poisson"
    duration: float = 8.0
    rounds: int = 3
    warmup: float = 0.3
    interval: float = 1.0
    hold: float = 25.0
    size: int = 100
    rtt: float = 0.0
    jitter: float = 0.0
    bandwidth: float = math.inf
    seed: int = 1
    together: bool = False

    def __post_init__(self) -> None:
        for name in ("clients", "rate", "duration", "rounds", "hold", "bandwidth"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} has to be above 0; got {getattr(self, name)}.")
        for name in ("warmup", "interval", "rtt", "jitter", "size"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} has to be 0 or more; got {getattr(self, name)}.")
        for name in ("rate", "duration", "warmup", "interval", "hold", "rtt", "jitter"):
            if math.isinf(getattr(self, name)):
                raise ValueError(f"{name} has to be finite; got {getattr(self, name)}.")
        if (events := self.rate * (self.duration + self.warmup * self.rounds)) > MOST_EVENTS:
            raise ValueError(f"No run has more than {MOST_EVENTS:,} events; got {events:.3g}.")
        if self.arrivals not in ("poisson", "fixed"):
            raise ValueError(f"Arrivals are poisson or fixed; got {self.arrivals!r}.")
        if not self.techniques:
            raise ValueError("No technique is given to measure.")
        if len({adapter.name for adapter in self.adapters}) < len(self.techniques):
            raise ValueError("A technique is given twice.")
        held = any(one.ends == "at the first batch" and one.path is None for one in self.adapters)
        if held and self.hold > LONGEST_HOLD:
            raise ValueError(f"Long polls are held {LONGEST_HOLD:g} s at most; got {self.hold:g}.")

    @property
    def adapters(self) -> list[Adapter]:
        return [Adapter.parse(text) for text in self.techniques]

    @property
    def network(self) -> Network:
        return Network.of(self.rtt, self.jitter, self.bandwidth)

    @property
    def workload(self) -> Workload:
        return Workload(self.rate, self.arrivals, self.interval, self.hold)

    def each_round(self) -> list[Settings]:
        """The settings of each round: its share of the time, and a schedule of its own.

        Fewer rounds where one of them would have too few events.
        """
        for rounds in range(self.rounds, 1, -1):
            split = [
                replace(
                    self,
                    duration=self.duration / rounds,
                    rounds=1,
                    seed=self.seed + SEED_STEP * number,
                )
                for number in range(rounds)
            ]
            if all(one.events() >= FEWEST_EVENTS for one in split):
                return split
        return [replace(self, rounds=1)]

    def events(self) -> int:
        """How many events the window of one round has."""
        return sum(time >= self.warmup for time in self.times())

    def times(self) -> list[float]:
        """When the events of one round are to be sent, warm-up included, in seconds."""
        length = self.warmup + self.duration
        return arrival_times(self.rate, length, self.arrivals, self.seed)

    def foresee(self) -> None:
        """Ask of each round what theory will be asked at its end, so that no run is lost there.

        Raises `ValueError` where no event falls into a round, `DoesNotFit` where they are more
        than the bandwidth carries.
        """
        for one in self.each_round():
            if not (events := one.events()):
                raise ValueError("No event falls into the measured time: let it last longer.")
            workload = replace(one.workload, rate=events / one.duration)
            event = Event("12345678-1", "message", "compare-12345678", "compare", "", 1e9 + 1e-6)
            size = len(event.encoded) + len(text(0, one.size))
            for technique in (adapter.technique for adapter in one.adapters):
                framing = framed(technique, size, len(event.id), len(event.room))
                predict(technique, workload, Path(one.network), Sizes(event=framing))

    def document(self) -> dict[str, Any]:
        """The settings as JSON can hold them (no bandwidth: no limit)."""
        document = asdict(self)
        document["techniques"] = list(self.techniques)
        document["bandwidth"] = None if math.isinf(self.bandwidth) else self.bandwidth
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Settings:
        """The settings that `document` gave; a rerun from a saved result."""
        known = {**document, "techniques": tuple(document["techniques"])}
        known["bandwidth"] = document["bandwidth"] or math.inf
        return cls(**known)


SCENARIOS: dict[str, Settings] = {
    # A lively room: people's messages, no beat.
    "chat": Settings(rate=2.0, clients=10, duration=8.0),
    # Prices: a steady fast beat of short events.
    "ticker": Settings(rate=50.0, arrivals="fixed", size=40, clients=5, duration=7.0),
    # Rare and short; polling would be gentle, and hold and heartbeat matter most.
    "notifications": Settings(rate=0.2, clients=10, interval=5.0, duration=60.0, together=True),
    # A telephone on a train: a long, uneven, narrow way.
    "mobile": Settings(
        rate=2.0, clients=5, rtt=0.12, jitter=0.04, bandwidth=200_000.0, duration=8.0
    ),
}

# Sweeps take the units that people use on the command line.
SWEPT = {"interval": 1.0, "rtt": 0.001, "rate": 1.0, "clients": 1.0, "jitter": 0.001, "size": 1.0}


def sweep(settings: Settings, name: str, values: tuple[float, ...]) -> list[Settings]:
    """`settings` once for each value of `name`, in the command line's unit (rtt: ms)."""
    if name not in SWEPT:
        raise ValueError(f"{name} cannot be swept; {', '.join(SWEPT)} can.")
    if not values:
        raise ValueError(f"A sweep looks like {name}=1,2,5.")
    scaled = [value * SWEPT[name] for value in values]
    whole = name in ("clients", "size")
    if not all(map(math.isfinite, scaled)):
        raise ValueError(f"{name} has to be finite; got {', '.join(map(str, values))}.")
    if whole and any(value % 1 for value in scaled):
        raise ValueError(f"{name} is a whole number; got {', '.join(map(str, values))}.")
    return [
        replace(settings, **{name: int(value) if whole else value})  # type: ignore[arg-type]
        for value in scaled
    ]


def arrival_times(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> list[float]:
    """The intended send times in [0, `seconds`), in seconds from the start.

    Poisson: exponential gaps of mean 1 / `rate`. Fixed: every 1 / `rate` seconds from a random
    phase on. The same seed gives the same times, whatever the server does.
    """
    chance = random.Random(f"times {seed}")
    gap = 1 / rate
    now = chance.expovariate(rate) if arrivals == "poisson" else chance.uniform(0, gap)
    times: list[float] = []
    while now < seconds:
        times.append(now)
        now += chance.expovariate(rate) if arrivals == "poisson" else gap
    return times


def phases(clients: int, period: float, seed: int) -> list[float]:
    """When each of so many polling clients first asks, in seconds from the start.

    One falls at random into each `clients`-th part of the period: random for each client, as
    real ones are, and together an even sample of it, which narrows the error of the mean.
    """
    chance = random.Random(f"phases {seed}")
    return [(number + chance.random()) * period / clients for number in range(clients)]


def text(index: int, size: int) -> str:
    """The text of event `index`, padded to `size` characters; `index_of` reads it back."""
    return f"{index} ".ljust(size, ".") if size > len(str(index)) else str(index)


def index_of(text: str) -> int | None:
    """The index in an event's text, or None for an event that is not of this run."""
    first = text.partition(" ")[0]
    return int(first) if first.lstrip("-").isdecimal() else None


@dataclass(frozen=True)
class Plan:
    """What to measure, and where. `server` is a base URL, or None for a server of our own."""

    configurations: tuple[Settings, ...]
    server: str | None = None
    application: str = APPLICATION
    publish_path: str = "/publish/{room}/"
    tapped: bool = True
    command: str = ""
    swept: str | None = None  # the setting that differs between the configurations


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    phase: str
    techniques: tuple[str, ...]
    done: float  # share of the phase
    received: dict[str, int] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)  # seconds, of the last deliveries


Report = Callable[[Progress], None]
