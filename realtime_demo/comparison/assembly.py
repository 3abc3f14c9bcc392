"""A technique's measurement, put together from what was counted, probed and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from realtime_demo.tap.network import Network

from .adapters import Adapter
from .clients import Marks, total
from .host import cores
from .ledger import Ledger, Sample
from .phase import Phase
from .probes import Volley
from .results import Cost, Measurement, spread
from .simulation import Heard, play
from .theory import Path, Sizes, framed, predict
from .window import Window

WEIGHED = 50  # clients from which on memory is told: fewer drown in what else a server does
# Bytes down of a heartbeat: a chunk of "\n", of ":\n\n" (RFC 9112 §7.1).
HEARTBEATS = {"streaming": 6.0, "sse": 8.0}
# Bytes up and down between two pings: the client's ping of 4 bytes and its pong, the server's
# of 12 and its pong, each with a mask on the way up (RFC 6455 §5.2, §5.5.2).
PINGS = (10.0 + 18.0, 6.0 + 14.0)


@dataclass(frozen=True)
class Evidence:
    """What a phase has found. `warmed` is when each event was published that came before the
    volley and the window, `memory` are the bytes by which the server grew with its clients;
    `probes`, `samples` and `asked` are by the adapter's name, as `clients.Clients` gives them."""

    warmed: Sequence[float]
    window: Window
    ends: Marks
    probes: Mapping[str, Mapping[str, float]]
    volley: Volley
    memory: int | None
    samples: Mapping[str, Sequence[Sample]]
    asked: Mapping[str, Sequence[Sequence[float]]]


def assemble(phase: Phase, adapter: Adapter, found: Evidence) -> Measurement:
    """What `adapter` was measured to do, and what theory says of it."""
    settings, window, name = phase.settings, found.window, adapter.name
    samples, volley = found.samples[name], found.volley
    processes = sum(name in mark["groups"] for mark in window.began)
    began, ended = (total(marks, name) for marks in (window.began, window.ended))
    sizes = _sizes(phase, adapter, found)
    path, work = _path(phase, found.probes.get(name)), list[float]()
    if adapter.technique != "polling":
        path, work = _push(path, sizes, volley, samples)
    # What was published before may still be brought by the first answers of the window.
    begin = window.sent[0].published
    published = sorted(
        [
            *found.warmed,
            *window.every,
            *(time for time in volley.published.values() if time < begin),
        ]
    )
    workload = replace(settings.workload, rate=len(window.sent) / settings.duration)
    return Measurement(
        name=name,
        technique=adapter.technique,
        clients=settings.clients,
        ledger=Ledger.of(window.sent, samples, settings.clients, window.refused),
        intended=spread(window.sent, samples, "intended"),
        actual=spread(window.sent, samples, "actual"),
        published=spread(window.sent, samples, "published"),
        cost=_cost(phase, found, began, ended, processes),
        watch=window.watch,
        prediction=predict(adapter.technique, workload, path, sizes),
        played=play(
            adapter.technique,
            workload,
            path,
            sizes,
            Heard(
                published=published,
                first=len(published) - len(window.sent),
                window=(began["time"] / processes, ended["time"] / processes),
                clients=settings.clients,
                asked=found.asked[name],
                work=work,
                busy=volley.busy / cores(),
            ),
        ),
        sizes=sizes,
        service=path.service,
        request=(found.probes.get(name) or {}).get("request", 0.0),
        push=path.push,
        volley=volley,
        cores=cores(),
        event_bytes=window.event_size,
        idle_up=None,
        idle_down=None,
        resets=int(total(found.ends, name)["resets"]),
        sent=window.sent,
        samples=tuple(samples),
    )


def _cost(
    phase: Phase,
    found: Evidence,
    began: Mapping[str, float],
    ended: Mapping[str, float],
    processes: int,
) -> Cost:
    """What was counted between the window's beginning and its end."""
    change = {key: ended[key] - began[key] for key in ended}
    tapped, clients, window = phase.target.tapped, phase.settings.clients, found.window
    deliveries = int(change["received"])
    cpu = memory = None
    if phase.alone and window.cpu is not None and deliveries:
        cpu = window.cpu / deliveries * 1_000
    if phase.alone and found.memory is not None and clients >= WEIGHED:
        memory = found.memory / clients
    return Cost(
        seconds=change["time"] / processes,
        published=len(window.sent) * clients,
        deliveries=deliveries,
        requests=int(change["requests"]) if tapped else None,
        empty=int(change["empty"]) if tapped else None,
        up=int(change["up"]) if tapped else None,
        down=int(change["down"]) if tapped else None,
        connections=int(ended["open"]) if tapped else None,
        reconnects=int(change["connections"]) if tapped else None,
        cpu=cpu,
        memory=memory,
    )


def _path(phase: Phase, probe: Mapping[str, float] | None) -> Path:
    network = phase.settings.network if phase.target.tapped else Network()
    if probe is None:
        return Path(network)
    return Path(network, service=max(0.0, probe["seconds"] - network.rtt))


def _push(
    path: Path, sizes: Sizes, volley: Volley, samples: Sequence[Sample]
) -> tuple[Path, list[float]]:
    """The work on an event's way down, from the volleys' delays, in which the network's part is
    known; its mean in the path, and each delivery's."""
    start, jitter = path.way_down(sizes.down + sizes.event, 0.0)
    work = volley.work(samples, start, jitter)
    if not work:
        return path, []
    push = max(0.0, sum(work) / len(work))
    # Where the way is uneven, one delivery's work cannot be told from its jitter.
    return replace(path, push=push), [push] if jitter else work


def _sizes(phase: Phase, adapter: Adapter, found: Evidence) -> Sizes:
    event, identity, room = found.window.event_size, found.window.identity, phase.clients.room
    if adapter.technique in ("polling", "longpoll"):
        probe = found.probes.get(adapter.name)
        if probe is None:
            return Sizes()
        # The probe's cursor was of an empty room, and so shorter.
        longer = identity - probe["cursor"] if probe["cursor"] else 0.0
        return Sizes(up=probe["up"] + longer, down=probe["down"] + longer, event=event)
    size = framed(adapter.technique, event, identity, len(room))
    if adapter.technique.startswith("websocket"):
        return Sizes(0.0, framed(adapter.technique, 0, identity, len(room)), size, *PINGS)
    return Sizes(0.0, HEARTBEATS[adapter.technique], size)
