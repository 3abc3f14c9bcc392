"""The plan of a run: its settings, which a rerun needs, and the schedule made from them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate, count, takewhile
from typing import Any

from django.utils.translation import gettext

from realtime_demo.asgi_servers import APPLICATION
from realtime_demo.tap.network import Network
from transports.events import Event
from transports.registry import BY_NAME, TECHNIQUES, ResponseEnds

from .http_client import HTTP_CLIENTS
from .theory import Arrivals, NetworkPath, Sizes, Workload, framed, predict

SEED_STEP = 1_000_003  # between rounds: a prime, so that rounds of neighbouring seeds differ
FEWEST_EVENTS = 4  # in each round
MOST_EVENTS = 1_000_000  # in all, on average: a schedule is held in memory
LONGEST_HOLD = 55.0  # seconds: the contract's maximum of `wait`
ABOVE_0 = ("clients", "rate", "duration", "rounds", "hold", "bandwidth")
NOT_NEGATIVE = ("warmup", "interval", "rtt", "jitter", "size")
INTEGERS = ("clients", "rounds", "size")
COMPARED = tuple(technique.name for technique in TECHNIQUES if technique.on_page)
# Techniques whose framing the adapters read.
FRAMINGS = tuple(
    name
    for name in COMPARED
    if BY_NAME[name].framing in ("batch", "lines", "event stream", "messages")
)


@dataclass(frozen=True)
class Adapter:
    """A technique of this project, or another project's endpoint, to compare.

    `technique` selects the theory; `path` (with `{room}`) is None for this project's own
    endpoint, which the project's own Python clients follow.
    """

    name: str
    technique: str
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Adapter:
        """Parse `sse` (this project's) or `sse=/events/{room}/` (another). Raises `ValueError`."""
        if "=" in text:
            return cls.parse_path(text)
        if text not in BY_NAME:
            message = gettext("A technique must be one of {known}; got {name}.")
            raise ValueError(message.format(known=", ".join(BY_NAME), name=repr(text)))
        return cls(text, text)

    @classmethod
    def parse_path(cls, text: str) -> Adapter:
        """Parse `sse=/events/{room}/`. Raises `ValueError`."""
        name, _equals, path = text.partition("=")
        if name not in FRAMINGS or not is_path(path):
            raise ValueError(
                gettext(
                    "An adapter must be FRAMING=PATH, as sse=/events/{{room}}/, with a framing of "
                    "{framings}; got {text}."
                ).format(framings=", ".join(FRAMINGS), text=repr(text))
            )
        return cls(f"{name} {path}", name, path)

    @property
    def response_ends(self) -> ResponseEnds:
        return BY_NAME[self.technique].response_ends

    @property
    def is_polled(self) -> bool:
        return BY_NAME[self.technique].is_polled


def is_path(path: str) -> bool:
    """Return whether `path` is absolute, and `{room}` its only placeholder."""
    try:
        return path.format(room="").startswith("/")
    except (KeyError, IndexError, ValueError):
        return False


@dataclass(frozen=True)
class Settings:
    """One configuration. Times in seconds, `bandwidth` in bytes a second, `size` in characters.

    `techniques` are in the form of `Adapter.parse`. `together` measures all techniques at the
    same time on the same events; otherwise they run one after another, each with the same
    schedule (by `seed`). `duration` is the measured time of a technique over all `rounds`, each
    of which has new clients. `hold` is the poll timeout of a long poll, `http_client` a key of
    `HTTP_CLIENTS`. Raises `ValueError` for invalid settings.
    """

    techniques: tuple[str, ...] = COMPARED
    clients: int = 5
    rate: float = 10.0
    arrivals: Arrivals = "poisson"
    duration: float = 12.0
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
    http_client: str = "httpx"

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in ABOVE_0 and not value > 0:
                text = gettext("{name} must be above 0; got {value}.")
            elif name in NOT_NEGATIVE and not value >= 0:
                text = gettext("{name} must be 0 or more; got {value}.")
            elif value == math.inf and name != "bandwidth":
                text = gettext("{name} must be finite; got {values}.")
            elif name in INTEGERS and value % 1:
                text = gettext("{name} must be an integer; got {values}.")
            else:
                continue
            raise ValueError(text.format(name=name, value=value, values=value))
        if (events := self.rate * (self.duration + self.warmup * self.rounds)) > MOST_EVENTS:
            text = gettext("A run may have at most {most} events; got {events}.")
            raise ValueError(text.format(most=f"{MOST_EVENTS:,}", events=f"{events:.3g}"))
        if self.arrivals not in ("poisson", "fixed"):
            text = gettext("arrivals must be poisson or fixed; got {arrivals}.")
            raise ValueError(text.format(arrivals=repr(self.arrivals)))
        if self.http_client not in HTTP_CLIENTS:
            text = gettext("http_client must be one of {clients}; got {http_client}.")
            clients, value = ", ".join(HTTP_CLIENTS), repr(self.http_client)
            raise ValueError(text.format(clients=clients, http_client=value))
        if not self.techniques:
            raise ValueError(gettext("At least one technique is required."))
        if len({adapter.name for adapter in self.adapters}) < len(self.techniques):
            text = gettext("Each technique can be measured once; got {names}.")
            raise ValueError(text.format(names=", ".join(self.techniques)))
        of_project = [adapter for adapter in self.adapters if adapter.path is None]
        has_long_polls = any(adapter.response_ends == "with events" for adapter in of_project)
        if has_long_polls and self.hold > LONGEST_HOLD:
            text = gettext("hold must be at most {longest} s; got {hold}.")
            raise ValueError(text.format(longest=f"{LONGEST_HOLD:g}", hold=f"{self.hold:g}"))

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
        """Return the settings of each round: its share of the time, and its own schedule.

        There are fewer rounds if one of them would have too few events.
        """
        for rounds in range(self.rounds, 1, -1):
            each = replace(self, duration=self.duration / rounds, rounds=1)
            split = [replace(each, seed=self.seed + SEED_STEP * n) for n in range(rounds)]
            if all(one.events() >= FEWEST_EVENTS for one in split):
                return split
        return [replace(self, rounds=1)]

    def events(self) -> int:
        """Return the number of events in one round's window."""
        return sum(time >= self.warmup for time in self.times())

    def times(self) -> list[float]:
        """Return the intended send times of one round, with its warm-up, in seconds."""
        length = self.warmup + self.duration
        return arrival_times(self.rate, length, self.arrivals, self.seed)

    def check_predictable(self) -> None:
        """Check before the run that theory can predict each round.

        Raises `ValueError` if a round has no event, `DoesNotFit` if its events exceed the
        bandwidth.
        """
        for one in self.each_round():
            if not (events := one.events()):
                raise ValueError(
                    gettext("No event falls into the measured time: use a longer duration.")
                )
            workload = replace(one.workload, rate=events / one.duration)
            event = Event("12345678-1", "message", "compare-12345678", "compare", "", 1e9 + 1e-6)
            size = len(event.encoded) + len(text(0, one.size))
            for technique in (adapter.technique for adapter in one.adapters):
                framing = framed(technique, size, len(event.id), len(event.room))
                predict(technique, workload, NetworkPath(one.network), Sizes(event=framing))

    def document(self) -> dict[str, Any]:
        """Return the settings as JSON (an unlimited bandwidth is null)."""
        bandwidth = None if math.isinf(self.bandwidth) else self.bandwidth
        return {**asdict(self), "techniques": list(self.techniques), "bandwidth": bandwidth}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Settings:
        """Return the settings from `document`, for a rerun of a saved result."""
        # Results without the member are from the lean client.
        fields = {"http_client": "lean", **document, "techniques": tuple(document["techniques"])}
        fields["bandwidth"] = document["bandwidth"] or math.inf
        return cls(**fields)


SCENARIOS: dict[str, Settings] = {
    # A lively room: people's messages at random times.
    "chat": Settings(rate=2.0, clients=10, duration=8.0),
    # Prices: short events at a fixed, high rate.
    "ticker": Settings(rate=50.0, arrivals="fixed", size=40, clients=5, duration=7.0),
    # Rare and short: slow polling suffices, and poll timeout and heartbeat matter most.
    "notifications": Settings(rate=0.2, clients=10, interval=5.0, duration=60.0, together=True),
    # A telephone on a train: high delay and jitter, low bandwidth.
    "mobile": Settings(
        rate=2.0, clients=5, rtt=0.12, jitter=0.04, bandwidth=200_000.0, duration=8.0
    ),
}

# Sweeps use the units of the command line.
SWEPT = {"interval": 1.0, "rtt": 0.001, "rate": 1.0, "clients": 1.0, "jitter": 0.001, "size": 1.0}


def sweep(settings: Settings, name: str, values: Iterable[float]) -> list[Settings]:
    """Return `settings` once for each value of `name`, in the command line's unit (rtt: ms)."""
    if name not in SWEPT:
        message = gettext("A sweep must be of {names}; got {name}.")
        raise ValueError(message.format(names=", ".join(SWEPT), name=repr(name)))
    scaled: list[Any] = [value * SWEPT[name] for value in values]
    if name in INTEGERS:
        scaled = [int(value) if value.is_integer() else value for value in scaled]
    return [replace(settings, **{name: value}) for value in scaled]


def arrival_times(rate: float, seconds: float, arrivals: Arrivals, seed: int) -> list[float]:
    """Return the intended send times in [0, `seconds`), in seconds from the start.

    Poisson: exponential gaps of mean 1 / `rate`. Fixed: every 1 / `rate` seconds from a random
    phase. The same seed gives the same times.
    """
    chance = random.Random(f"times {seed}")
    gap = 1 / rate
    if arrivals == "fixed":
        return list(takewhile(lambda time: time < seconds, count(chance.uniform(0, gap), gap)))
    gaps = (chance.expovariate(rate) for _ in count())
    return list(takewhile(lambda time: time < seconds, accumulate(gaps)))


def phases(clients: int, period: float, seed: int) -> list[float]:
    """Return when each of `clients` polling clients sends its first request, in seconds.

    One time falls at random into each `clients`-th part of the period (stratified sampling):
    together they sample the period evenly, which reduces the error of the mean.
    """
    chance = random.Random(f"phases {seed}")
    return [(number + chance.random()) * period / clients for number in range(clients)]


def text(index: int, size: int) -> str:
    """Return the text of event `index`, padded to `size` characters. `index_of` is the inverse."""
    return f"{index} ".ljust(size, ".") if size > len(str(index)) else str(index)


def index_of(text: str) -> int | None:
    """Return the index in an event's text; None for events that are not of this run."""
    first = text.partition(" ")[0]
    return int(first) if first.lstrip("-").isdecimal() else None


@dataclass(frozen=True)
class Plan:
    """Configurations and server of a run. `server` is a base URL; None starts a local server."""

    configurations: tuple[Settings, ...]
    server: str | None = None
    application: str = APPLICATION
    publish_path: str = "/publish/{room}/"
    tapped: bool = True
    command: str = ""
    swept: str | None = None  # the setting that differs between the configurations


@dataclass(frozen=True)
class Progress:
    """The progress of a run."""

    phase: str
    techniques: tuple[str, ...]
    done: float  # fraction of the phase
    received: dict[str, int] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)  # seconds, of the last deliveries


Report = Callable[[Progress], None]
