"""Which technique for a workload, and what each would take: formulas and measured costs.

Nothing is run. Delays, requests and bytes come from `theory`; CPU and memory from a saved
measurement, in proportion. What is assumed is said with the answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from realtime_demo.tap.network import Network
from transports.registry import TECHNIQUES

from .theory import Path, Prediction, Sizes, Workload, predict, silences
from .traits import asks, framing, response_ends

REFERENCE = FilePath(__file__).with_name("measurements.json")
UTILISATION = 0.6  # of a core, so that a burst finds room
CONNECTIONS = 10_000  # to a process: the setting MAX_CONNECTIONS
NEGLIGIBLE = 0.01  # cores: a difference that decides nothing
LEAST_INTERVAL = 0.05  # seconds; polling faster than this is not advised to anyone

ASSUMED = (
    f"A process uses a core up to {UTILISATION:.0%} and holds {CONNECTIONS:,} connections at most.",
    "Every client follows one room, and every event goes to all of them.",
    "Costs grow in proportion to deliveries or requests, from the measured load on; several "
    "processes share one Redis, whose own cost is not in these figures.",
    "TLS, TCP and IP headers are not counted: add 40 bytes a segment and 22 or more a TLS record.",
    "A process writes an event to its clients one after the other, so that the last has it later "
    "than the first by deliveries times the CPU of one (of a long poll's, half is asking again).",
    "Events come at random (Poisson); a burst shared by all rooms is worse.",
)


@dataclass(frozen=True)
class Need:
    """A workload on paper. `tolerated` is the delay in seconds that 99 of 100 events may have.

    `buffering`: proxies on the way hold back a response until it ends. `no_websocket`: they
    refuse the upgrade. `battery`: clients run on one, so that waking the radio is what counts.
    `talkative`: clients send as often as they receive.
    """

    clients: int
    rate: float
    tolerated: float
    rtt: float = 0.05
    size: int | None = None  # bytes of an event's JSON; None: as measured
    buffering: bool = False
    no_websocket: bool = False
    battery: bool = False
    talkative: bool = False

    def __post_init__(self) -> None:
        above, least = (self.clients, self.rate, self.tolerated), (self.rtt, self.size or 0)
        if not all(0 < value < math.inf for value in above):
            raise ValueError("Clients, rate and tolerated delay have to be above 0, and finite.")
        if not all(0 <= value < math.inf for value in least):
            raise ValueError("Round trip and size have to be 0 or more, and finite.")


@dataclass(frozen=True)
class Basis:
    """What was measured of one technique, and where."""

    sizes: Sizes
    service: float  # seconds of work in one request by itself
    event: float  # bytes of the measured event's JSON
    cpu_per_delivery: float | None  # seconds, of all that the server was at
    cpu_per_request: float | None
    memory: float | None  # bytes a connection
    work: float | None = None  # seconds of the server for one delivery, and nothing else


@dataclass(frozen=True)
class Option:
    """One technique under the need. Totals are over all clients."""

    name: str
    label: str
    interval: float | None
    prediction: Prediction
    requests: float  # a second
    down: float  # bytes a second
    up: float
    cores: float | None
    processes: int | None
    memory: float | None  # bytes
    wakes: float  # of a client's radio, an hour
    against: tuple[str, ...]  # why it will not do


@dataclass(frozen=True)
class Advice:
    need: Need
    source: str
    options: tuple[Option, ...]
    choice: Option | None
    reason: str


def bases(document: Mapping[str, Any]) -> tuple[str, dict[str, Basis]]:
    """The measured costs in a saved result of `compare --json`, and their source in words.

    Of several configurations the one with the most clients counts. Raises `ValueError`.
    """
    try:
        configuration = max(document["configurations"], key=lambda one: one["settings"]["clients"])
        settings = configuration["settings"]
        source = (
            f"measured {document['began']} on {document['environment']['processor']} with "
            f"{settings['clients']} clients at {settings['rate']:g} events/s"
        )
        found: dict[str, Basis] = {}
        for name, one in configuration["techniques"].items():
            if one["withheld"]:
                continue
            cost, sizes = one["cost"], Sizes(**one["sizes"])
            total = None if cost["cpu"] is None else cost["cpu"] / 1_000 * cost["deliveries"]
            found[name] = Basis(
                sizes=sizes,
                # Not `service`: that is probed with all of a process's clients at once.
                service=one["request"],
                event=one["event_bytes"],
                cpu_per_delivery=None if total is None else total / cost["deliveries"],
                cpu_per_request=total / cost["requests"] if total and cost["requests"] else None,
                memory=cost["memory"],
                work=None if (event := one["volley"]["server"]) is None else event / one["clients"],
            )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"This is no result of compare --json: {error!r}") from error
    if not found:
        raise ValueError("The measurement has no figures: all were withheld.")
    return source, found


def load(path: FilePath = REFERENCE) -> tuple[str, dict[str, Basis]]:
    """As `bases`, from a file. Raises `ValueError`, `OSError`."""
    source, found = bases(json.loads(path.read_text(encoding="utf-8")))
    return f"{source} ({path.name})", found


def advise(need: Need, source: str, known: Mapping[str, Basis]) -> Advice:
    """Every technique that `known` has, and the one to take."""
    options = [
        _option(technique.name, technique.label, need, known[technique.name])
        for technique in TECHNIQUES
        if technique.on_page and technique.name in known
    ]
    choice, reason = _choose(need, options)
    return Advice(need, source, tuple(options), choice, reason)


def interval_for(need: Need, service: float) -> float:
    """The longest pause with which 99 of 100 events arrive in the tolerated time:
    0.99·(I + R) + d ≤ tolerated (docs/theory.md, Polling)."""
    path = Path(service=service)
    down = need.rtt / 2 + path.service / 2
    return max(LEAST_INTERVAL, (need.tolerated - down) / 0.99 - need.rtt - service)


def _option(name: str, label: str, need: Need, basis: Basis) -> Option:
    path = Path(Network.of(rtt=need.rtt), basis.service)
    interval = interval_for(need, basis.service) if response_ends(name) == "at once" else None
    workload = Workload(need.rate, interval=interval or 1.0)
    sizes = basis.sizes
    if need.size is not None:
        sizes = replace(sizes, event=max(0.0, sizes.event + need.size - basis.event))
    prediction = predict(name, workload, path, sizes)
    cores = _cores(name, need, basis, prediction)
    processes = None
    if cores is not None:
        processes = max(1, math.ceil(cores / UTILISATION), math.ceil(need.clients / CONNECTIONS))
        path = _fanned(name, path, need.clients / processes * (basis.work or 0.0))
        prediction = predict(name, workload, path, sizes)
    requests = need.clients * prediction.requests_per_second
    return Option(
        name=name,
        label=label,
        interval=interval,
        prediction=prediction,
        requests=requests,
        down=need.clients * need.rate * prediction.down_per_event,
        up=need.clients * need.rate * prediction.up_per_event,
        cores=cores,
        processes=processes,
        memory=None if basis.memory is None else need.clients * basis.memory,
        wakes=_wakes(name, workload, prediction),
        against=_against(name, need, prediction, path.fan),
    )


def _fanned(name: str, path: Path, work: float) -> Path:
    """`path` where a process works so many seconds on one event (docs/theory.md, Many clients)."""
    match response_ends(name):
        case "at once":  # the clients each come when it suits them
            return path
        case "never":
            return replace(path, fan=work)
    # Half of it is the answers; the other half, that all ask again, comes behind the last of them.
    return replace(path, push=path.push_work, fan=work / 2, service=path.service + work / 2)


def _cores(name: str, need: Need, basis: Basis, prediction: Prediction) -> float | None:
    """Seconds of CPU a second. What asks pays by the request, an open connection by the
    delivery and the heartbeat."""
    if asks(name):
        times, cpu = prediction.requests_per_second, basis.cpu_per_request
    else:
        times, cpu = _signs(Workload(need.rate)), basis.cpu_per_delivery
    return None if cpu is None else need.clients * times * cpu


def _signs(workload: Workload) -> float:
    """Events and heartbeats a second on an open connection."""
    return workload.rate * (1 + silences(workload, workload.heartbeat))


def _wakes(name: str, workload: Workload, prediction: Prediction) -> float:
    """Times an hour that something crosses a client's radio."""
    if asks(name):
        return prediction.requests_per_second * 3600
    pings = 1 / workload.ping if framing(name) == "websocket" else 0.0
    return (_signs(workload) + pings) * 3600


def _against(name: str, need: Need, prediction: Prediction, fan: float) -> tuple[str, ...]:
    reasons: list[str] = []
    late = prediction.delay.quantile(0.99)
    if late > need.tolerated * 1.001:
        text = f"99 of 100 events need up to {_milliseconds(late)} ms"
        if need.rtt / 2 > need.tolerated:
            text += f", of which one way through the network is {_milliseconds(need.rtt / 2)} ms"
        elif late - 0.99 * fan <= need.tolerated * 1.001:
            text += f", since a process writes to its clients for {_milliseconds(fan)} ms"
        reasons.append(text)
    if need.buffering and framing(name) in ("lines", "sse"):
        reasons.append("a buffering proxy holds a stream back until it ends (RFC 6202 §3.2)")
    if need.no_websocket and framing(name) == "websocket":
        reasons.append("the proxies refuse the upgrade")
    return tuple(reasons)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.3g}" if seconds < 0.1 else f"{seconds * 1e3:,.0f}"


# Where the cost is alike: the simplest to run and to write for comes first.
SIMPLEST = ("sse", "polling", "streaming", "websocket", "longpoll")


def _choose(need: Need, options: Sequence[Option]) -> tuple[Option | None, str]:
    fit = [option for option in options if not option.against]
    if not fit:
        return None, "None fits, for what is said below of each."

    def simplicity(option: Option) -> int:
        return SIMPLEST.index(option.name)

    sockets = [option for option in fit if framing(option.name) == "websocket"]
    if need.talkative and sockets:
        return sockets[0], "clients talk back as often as they listen, over the one open socket."
    if need.battery:
        least = min(option.wakes for option in fit)
        near = [option for option in fit if option.wakes <= least * 1.1]
        choice = min(near, key=simplicity)
        return choice, f"it wakes a client's radio least: {choice.wakes:,.0f} times an hour."
    known = [(option.cores, option) for option in fit if option.cores is not None]
    if not known:
        choice = min(fit, key=simplicity)
        return choice, "it is the simplest that fits; what it costs was not measured."
    least_cores = min(cores for cores, _ in known)
    near = [option for cores, option in known if cores <= least_cores * 1.5 + NEGLIGIBLE]
    choice = min(near, key=simplicity)
    return choice, (
        f"it fits, with {choice.cores:,.2g} cores in {choice.processes:,} "
        f"process{'es' if choice.processes != 1 else ''}; none that fits is both simpler and "
        "about as cheap."
    )
