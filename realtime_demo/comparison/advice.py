"""Advice on technique and deployment for a workload, from formulas and measured costs.

Nothing is run. Delays, requests and bytes come from `theory`; CPU and memory are scaled from a
saved measurement, the cost of Redis from one of `benchmarks.cluster_cost`. The answer lists its
assumptions. docs/theory.md, "To a million", derives the formulas of the deployment.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from realtime_demo.tap.network import Network
from transports.registry import BY_NAME

from .output.json_csv import read
from .output.tables import clients, label, milliseconds, rate
from .plan import COMPARED
from .theory import NetworkPath, Prediction, Sizes, Workload, predict, silences

REFERENCE = Path(__file__).with_name("measurements.json")
REDIS = Path(__file__).with_name("redis_costs.json")
GIB = 2**30
UTILISATION = 0.6  # of a core: leaves headroom for bursts
CONNECTIONS = 10_000  # per process: the setting MAX_CONNECTIONS
NEGLIGIBLE = 0.01  # cores: a smaller difference is ignored
LEAST_INTERVAL = 0.05  # seconds: the shortest polling interval advised

ASSUMED = (
    gettext_lazy("A process uses at most {utilisation} of a core and {connections} connections."),
    gettext_lazy("Every client follows one room, and every event goes to all of them."),
    gettext_lazy(
        "Above the measured load, costs grow in proportion to deliveries or requests; the cores do "
        "not include Redis."
    ),
    gettext_lazy(
        "TLS, TCP and IP headers are not counted: add 40 bytes per segment and at least 22 per "
        "TLS record."
    ),
    gettext_lazy(
        "A process writes an event to one client after another, so the last client receives it "
        "later than the first by deliveries times the CPU of one delivery (for long polling, half "
        "of that CPU is the next request)."
    ),
    gettext_lazy("Events arrive at random (Poisson); a burst in all rooms at once is worse."),
)


def assumptions() -> list[str]:
    """Return the assumptions of every advice."""
    figures = {"utilisation": f"{UTILISATION:.0%}", "connections": f"{CONNECTIONS:,}"}
    return [str(text).format(**figures) for text in ASSUMED]


@dataclass(frozen=True)
class Need:
    """A workload to advise on. `tolerated` is the delay in seconds that 99 of 100 events may have.

    `buffering`: proxies on the path hold back a response until it ends. `no_websocket`: proxies
    reject the upgrade. `battery`: clients run on a battery, so the number of radio wake-ups
    decides. `talkative`: clients send as often as they receive.
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
        for option, value, permits_zero in (
            ("--clients", self.clients, False),
            ("--rate", self.rate, False),
            ("--tolerate", self.tolerated * 1e3, False),
            ("--rtt", self.rtt * 1e3, True),
            ("--size", self.size or 0, True),
        ):
            if not 0 <= value < math.inf or (value == 0 and not permits_zero):
                text = _("{option} must be finite and above 0; got {value}.")
                if permits_zero:
                    text = _("{option} must be finite and 0 or more; got {value}.")
                raise ValueError(text.format(option=option, value=f"{value:g}"))


@dataclass(frozen=True)
class Basis:
    """Measured costs of one technique."""

    sizes: Sizes
    service: float  # seconds of work in one request without load
    event: float  # bytes of the measured event's JSON
    cpu_per_delivery: float | None  # seconds, of the server's whole CPU time
    cpu_per_request: float | None
    memory: float | None  # bytes per connection
    work: float | None = None  # server seconds for one delivery alone


@dataclass(frozen=True)
class Option:
    """One technique under the workload. Totals are over all clients."""

    name: str
    label: str
    interval: float | None
    prediction: Prediction
    requests: float  # per second
    down: float  # bytes per second
    up: float
    cores: float | None
    processes: int | None
    memory: float | None  # bytes
    wakes: float  # of a client's radio, per hour
    against: tuple[str, ...]  # reasons against this technique; empty: it fits


@dataclass(frozen=True)
class Advice:
    """The options for a workload and the one advised (None: none fits)."""

    options: tuple[Option, ...]
    choice: Option | None
    reason: str


def bases(document: Mapping[str, Any]) -> tuple[str, dict[str, Basis]]:
    """Return a description of a saved result of `compare --json`, and the measured costs in it.

    Uses the configuration with the most clients. Raises `KeyError`, `TypeError`, `ValueError`.
    """
    configuration = max(document["configurations"], key=lambda one: one["settings"]["clients"])
    settings = configuration["settings"]
    source = _("measured {date} on {processor} with {clients} at {rate}").format(
        date=document["began"],
        processor=document["environment"]["processor"],
        clients=clients(settings["clients"]),
        rate=rate(settings["rate"]),
    )
    costs: dict[str, Basis] = {}
    for name, one in configuration["techniques"].items():
        if one["withheld"]:
            continue
        cost, cpu = one["cost"], one["cost"]["cpu"]
        total = cpu and cpu / 1_000 * cost["deliveries"]
        costs[name] = Basis(
            sizes=Sizes(**one["sizes"]),
            # Not `service`, which is probed with all of a process's clients at once.
            service=one["request"],
            event=one["event_bytes"],
            cpu_per_delivery=None if cpu is None else cpu / 1_000,
            cpu_per_request=total / cost["requests"] if total and cost["requests"] else None,
            memory=cost["memory"],
            work=None if (event := one["volley"]["server"]) is None else event / one["clients"],
        )
    if not costs:
        raise ValueError(_("all figures were withheld"))
    return source, costs


def load(path: Path = REFERENCE) -> tuple[str, dict[str, Basis]]:
    """Return `bases` of a file. Raises `ValueError`, which names the file."""
    source, costs = read(path, bases)
    return f"{source} ({path.name})", costs


def advise(need: Need, costs: Mapping[str, Basis]) -> Advice:
    """Return every technique in `costs` as an option, and the one advised."""
    options = [_option(name, need, costs[name]) for name in COMPARED if name in costs]
    choice, reason = _choose(need, options)
    return Advice(tuple(options), choice, reason)


def interval_for(need: Need, service: float) -> float:
    """Return the longest pause with which 99 of 100 events arrive in the tolerated time.

    0.99·(I + R) + d ≤ tolerated (docs/theory.md, Polling).
    """
    round_trip = need.rtt + service
    return max(LEAST_INTERVAL, (need.tolerated - round_trip / 2) / 0.99 - round_trip)


def _option(name: str, need: Need, basis: Basis) -> Option:
    path = NetworkPath(Network.of(rtt=need.rtt), basis.service)
    interval = None
    if BY_NAME[name].response_ends == "at once":
        interval = interval_for(need, basis.service)
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
    return Option(
        name=name,
        label=label(name),
        interval=interval,
        prediction=prediction,
        requests=need.clients * prediction.requests_per_second,
        down=need.clients * need.rate * prediction.down_per_event,
        up=need.clients * need.rate * prediction.up_per_event,
        cores=cores,
        processes=processes,
        memory=None if basis.memory is None else need.clients * basis.memory,
        wakes=_wakes(name, workload, prediction),
        against=_against(name, need, prediction, path.fan),
    )


def _fanned(name: str, path: NetworkPath, work: float) -> NetworkPath:
    """Return `path` for a process that works `work` seconds on one event.

    See docs/theory.md, Many clients.
    """
    match BY_NAME[name].response_ends:
        case "at once":  # polls do not depend on events
            return path
        case "never":
            return replace(path, fan=work)
    # Half of the work is the responses; the other half, all next requests, follows the last one.
    return replace(path, push=path.push_work, fan=work / 2, service=path.service + work / 2)


def _cores(name: str, need: Need, basis: Basis, prediction: Prediction) -> float | None:
    """Return the CPU seconds per second.

    Techniques with requests cost by request, open connections by delivery and heartbeat.
    """
    if BY_NAME[name].is_polled:
        times, cpu = prediction.requests_per_second, basis.cpu_per_request
    else:
        times, cpu = _messages(Workload(need.rate)), basis.cpu_per_delivery
    return None if cpu is None else need.clients * times * cpu


def _messages(workload: Workload) -> float:
    """Return the events and heartbeats per second on an open connection."""
    return workload.rate * (1 + silences(workload, workload.heartbeat))


def _wakes(name: str, workload: Workload, prediction: Prediction) -> float:
    """Return how often per hour a client's radio sends or receives."""
    if BY_NAME[name].is_polled:
        return prediction.requests_per_second * 3600
    pings = 1 / workload.ping if BY_NAME[name].scheme == "ws" else 0.0
    return (_messages(workload) + pings) * 3600


def _against(name: str, need: Need, prediction: Prediction, fan: float) -> tuple[str, ...]:
    reasons: list[str] = []
    late, tolerated = prediction.delay.quantile(0.99), need.tolerated * 1.001
    if late > tolerated:
        part, text = 0.0, _("99 of 100 events need up to {ms} ms")
        if need.rtt / 2 > need.tolerated:
            part = need.rtt / 2
            text = _(
                "99 of 100 events need up to {ms} ms, of which the one-way network delay is "
                "{part} ms"
            )
        elif late - 0.99 * fan <= tolerated:
            part = fan
            text = _(
                "99 of 100 events need up to {ms} ms, since a process takes {part} ms to write to "
                "its clients"
            )
        reasons.append(text.format(ms=milliseconds(late), part=milliseconds(part)))
    if need.buffering and BY_NAME[name].is_stream:
        reasons.append(_("a buffering proxy holds a stream back until it ends (RFC 6202 §3.2)"))
    if need.no_websocket and BY_NAME[name].scheme == "ws":
        reasons.append(_("the proxies reject the upgrade"))
    return tuple(reasons)


# At similar cost, advise the first of these: the simplest to operate and to write clients for.
SIMPLEST = ("sse", "polling", "streaming", "websocket", "longpoll")


def _choose(need: Need, options: Sequence[Option]) -> tuple[Option | None, str]:
    fit = [option for option in options if not option.against]
    if not fit:
        return None, _("No technique fits; the reasons are below.")

    def simplicity(option: Option) -> int:
        return SIMPLEST.index(option.name) if option.name in SIMPLEST else len(SIMPLEST)

    sockets = [option for option in fit if BY_NAME[option.name].scheme == "ws"]
    if need.talkative and sockets:
        return sockets[0], _("clients send as often as they receive, over one open connection.")
    if need.battery:
        least = min(option.wakes for option in fit)
        near = [option for option in fit if option.wakes <= least * 1.1]
        choice = min(near, key=simplicity)
        text = ngettext(
            "it wakes a client's radio least often: {number} time an hour.",
            "it wakes a client's radio least often: {number} times an hour.",
            round(choice.wakes),
        )
        return choice, text.format(number=f"{choice.wakes:,.0f}")
    measured = [(option.cores, option) for option in fit if option.cores is not None]
    if not measured:
        choice = min(fit, key=simplicity)
        return choice, _("it is the simplest that fits; its cost was not measured.")
    least_cores = min(cores for cores, _ in measured)
    near = [option for cores, option in measured if cores <= least_cores * 1.5 + NEGLIGIBLE]
    choice = min(near, key=simplicity)
    text = ngettext(
        "it fits, with {cores} cores in {number} process; no simpler technique that fits is about "
        "as cheap.",
        "it fits, with {cores} cores in {number} processes; no simpler technique that fits is "
        "about as cheap.",
        choice.processes or 1,
    )
    return choice, text.format(cores=f"{choice.cores:,.2g}", number=f"{choice.processes:,}")


# --- Machines and Redis --------------------------------------------------------------------


@dataclass(frozen=True)
class RedisBasis:
    """CPU seconds of Redis: for a publish, for its copy to each process, and for a poll."""

    append: float
    copy: float
    read: float


@dataclass(frozen=True)
class Machine:
    """A machine's cores, bytes of memory, and bits a second of its network."""

    cores: int = 8
    memory: float = 32 * GIB
    network: float = 10e9

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in (self.cores, self.memory, self.network)):
            raise ValueError(_("--cores, --memory and --network must be finite and above 0."))


@dataclass(frozen=True)
class Scale:
    """A deployment for one technique.

    `needs` is the number of machines that each resource requires; the largest counts. `room_load`
    is the share of a core that a room takes of its shard; a room of `largest_room` clients would
    take `UTILISATION`.
    """

    processes: int
    machines: int
    needs: Mapping[str, float]
    shards: int
    room_load: float
    largest_room: float

    @property
    def fits(self) -> bool:
        return self.room_load <= UTILISATION

    @property
    def scarcest(self) -> str:
        """The resource that requires most machines."""
        return max(self.needs, key=lambda name: self.needs[name])


def redis_basis(document: Mapping[str, Any]) -> RedisBasis:
    """Return the costs in a result of `benchmarks.cluster_cost`, on one master.

    Raises `KeyError`, `TypeError`, `ValueError`.
    """
    few, *_, many = sorted(
        (cost for cost in document["costs"] if cost["masters"] == 1),
        key=lambda cost: cost["processes"],
    )
    copy = (many["cpu_each"] - few["cpu_each"]) / (many["processes"] - few["processes"])
    return RedisBasis(few["cpu_each"] - few["processes"] * copy, copy, read=few["read_each"])


def scale(
    need: Need, option: Option, rooms: int, machine: Machine, redis: RedisBasis | None = None
) -> Scale | None:
    """Return the deployment for `need` in `rooms` of equal size; None if a cost is unknown.

    The costs of Redis are the saved ones, unless given.
    """
    redis = redis or redis_basis(json.loads(REDIS.read_text()))
    if rooms < 1 or option.cores is None or option.processes is None or option.memory is None:
        return None
    needs = {
        gettext_noop("cores"): option.cores / (UTILISATION * machine.cores),
        gettext_noop("memory"): option.memory / machine.memory,
        gettext_noop("network"): 8 * max(option.down, option.up) / (UTILISATION * machine.network),
    }
    # A load balancer ignores rooms: a room of many clients has some in each process.
    members = need.clients / rooms
    by_client = need.rate * redis.copy * option.processes / need.clients
    room_load = need.rate * (redis.append + redis.copy * min(option.processes, members))
    if BY_NAME[option.name].response_ends == "at once":  # a poll reads the history
        by_client = redis.read * option.requests / need.clients
        room_load = need.rate * redis.append + by_client * members
    return Scale(
        processes=option.processes,
        machines=max(1, math.ceil(max(needs.values()))),
        needs=needs,
        shards=min(rooms, max(1, math.ceil(rooms * room_load / UTILISATION))),
        room_load=room_load,
        largest_room=max(0.0, UTILISATION - need.rate * redis.append) / by_client,
    )
