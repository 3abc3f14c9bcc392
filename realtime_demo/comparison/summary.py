"""A technique's measurement: put together from what was counted, probed and published, and from
its rounds.

How processes lie, wake and share the cores differs from start to start, and the machine is at
something else a minute later. No number of samples of one start can tell that; other starts can
(Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", 2013). So the techniques take
turns, round after round, and the interval on a median is at least the one between its rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from statistics import fmean
from typing import Any

from realtime_demo.tap.network import Network

from .host import cores
from .phase import Phase
from .plan import Adapter, Settings
from .results import Cost, EventProbe, Ledger, Measurement, Sample, Sent, Watch, spread
from .simulation import Observed, Simulated, simulate
from .statistics import Spread, between
from .subscribers import Counts, Mark, RequestProbe
from .theory import Path, Sizes, open_sizes, predict

WEIGHED = 50  # clients from which on memory is told: fewer drown in what else a server does
# Figures of rounds that are added up.
ADDED = ("seconds", "published", "deliveries", "requests", "empty", "up", "down", "reconnects")


@dataclass(frozen=True)
class Window:
    """What was published in a window, and what was counted of it.

    `refused` are events that were to be published in it and failed. `cpu` are the server's
    seconds in it, what publishing takes left out (None: not known).
    """

    sent: tuple[Sent, ...]
    refused: int
    every: tuple[float, ...]  # when each event was published, the warm-up's too
    identity: float  # the mean length of an event's id, and the bytes of its JSON
    event_size: float
    began: list[Mark]
    ended: list[Mark]
    cpu: float | None
    watch: Watch


@dataclass(frozen=True)
class Evidence:
    """What a phase has found. `warmed` is when each event was published that came before the
    window, `memory` the bytes by which the server grew with its clients; `probes`, `samples` and
    `asked` are by the adapter's name, as `phase.Clients` gives them."""

    warmed: Sequence[float]
    window: Window
    ends: Sequence[Mark]
    probes: Mapping[str, RequestProbe]
    event_probe: EventProbe
    memory: int | None
    samples: Mapping[str, Sequence[Sample]]
    asked: Mapping[str, Sequence[Sequence[float]]]

    def counted(self, marks: Sequence[Mark], name: str) -> Counts:
        """What the processes of `name` have counted."""
        return sum((mark.counts for mark in marks if mark.name == name), Counts())

    def time(self, marks: Sequence[Mark], name: str) -> float:
        """When they were asked, on average."""
        return fmean(mark.time for mark in marks if mark.name == name)


def summarise(phase: Phase, adapter: Adapter, evidence: Evidence) -> Measurement:
    """What `adapter` was measured to do, and what theory says of it."""
    settings, window, name = phase.settings, evidence.window, adapter.name
    samples, probe = evidence.samples[name], evidence.probes.get(name)
    sizes = _sizes(phase, adapter, evidence)
    path, work = Path(settings.network if phase.target.tapped else Network()), list[float]()
    if probe is not None:
        path = replace(path, service=max(0.0, probe.seconds - path.network.rtt))
    if adapter.ends != "at once":
        path, work = _push(path, sizes, evidence.event_probe, samples)
    # What was published before may still be brought by the first answers of the window.
    begin = window.sent[0].published
    probed = (time for time in evidence.event_probe.published.values() if time < begin)
    published = sorted([*evidence.warmed, *window.every, *probed])
    workload = replace(settings.workload, rate=len(window.sent) / settings.duration)
    observed = Observed(
        published=published,
        first=len(published) - len(window.sent),
        window=(evidence.time(window.began, name), evidence.time(window.ended, name)),
        clients=settings.clients,
        asked=evidence.asked[name],
        work=work,
        busy=evidence.event_probe.busy / cores(),
    )
    return Measurement(
        name=name,
        technique=adapter.technique,
        clients=settings.clients,
        ledger=Ledger.of(window.sent, samples, settings.clients, window.refused),
        intended=spread(window.sent, samples, "intended"),
        actual=spread(window.sent, samples, "actual"),
        published=spread(window.sent, samples, "published"),
        cost=_cost(phase, evidence, name),
        watch=window.watch,
        prediction=predict(adapter.technique, workload, path, sizes),
        simulated=simulate(adapter.technique, workload, path, sizes, observed),
        sizes=sizes,
        service=path.service,
        request=probe.alone if probe is not None else 0.0,
        push=path.push,
        event_probe=evidence.event_probe,
        cores=cores(),
        event_bytes=window.event_size,
        resets=evidence.counted(evidence.ends, name).resets,
        sent=window.sent,
        samples=tuple(samples),
    )


def _cost(phase: Phase, evidence: Evidence, name: str) -> Cost:
    """What was counted between the window's beginning and its end."""
    clients, window = phase.settings.clients, evidence.window
    began, ended = (evidence.counted(marks, name) for marks in (window.began, window.ended))
    deliveries = ended.received - began.received
    cost = Cost(
        seconds=evidence.time(window.ended, name) - evidence.time(window.began, name),
        published=len(window.sent) * clients,
        deliveries=deliveries,
    )
    if phase.alone and window.cpu is not None and deliveries:
        cost = replace(cost, cpu=window.cpu / deliveries * 1_000)
    if phase.alone and evidence.memory is not None and clients >= WEIGHED:
        cost = replace(cost, memory=evidence.memory / clients)
    if not phase.target.tapped:
        return cost
    wire = ended.wire - began.wire
    return replace(
        cost,
        requests=wire.requests,
        empty=ended.empty - began.empty,
        up=wire.up,
        down=wire.down,
        connections=ended.open,
        reconnects=wire.connections,
    )


def _push(
    path: Path, sizes: Sizes, probe: EventProbe, samples: Sequence[Sample]
) -> tuple[Path, list[float]]:
    """The work on an event's way down, from the probe's delays, in which the network's part is
    known; its mean in the path, and each delivery's."""
    start, jitter = path.way_down(sizes.down + sizes.event, 0.0)
    work = probe.work(samples, start, jitter)
    if not work:
        return path, []
    push = max(0.0, fmean(work))
    # Where the way is uneven, one delivery's work cannot be told from its jitter.
    return replace(path, push=push), [push] if jitter else work


def _sizes(phase: Phase, adapter: Adapter, evidence: Evidence) -> Sizes:
    event, identity = evidence.window.event_size, evidence.window.identity
    if not adapter.asks:
        return open_sizes(adapter.technique, event, identity, len(phase.clients.room))
    if (probe := evidence.probes.get(adapter.name)) is None:
        return Sizes()
    # The probe's cursor was of an empty room, and so shorter.
    longer = identity - probe.cursor if probe.cursor else 0.0
    return Sizes(up=probe.up + longer, down=probe.down + longer, event=event)


# --- Rounds ------------------------------------------------------------------------------


def merged(rounds: Sequence[Measurement], settings: Settings, network: Network) -> Measurement:
    """One technique's measurement of all its rounds.

    What is counted is added up, percentiles are of all samples, and theory is asked about all
    events. `network` is the one that was put in.
    """
    first = rounds[0]
    if len(rounds) == 1:
        return first
    sent, samples = _renumbered(rounds)
    service = fmean(one.service for one in rounds)
    path = Path(network, service, _mean(one.push for one in rounds))
    sizes = Sizes(*map(fmean, zip(*(astuple(one.sizes) for one in rounds), strict=True)))
    workload = replace(settings.workload, rate=len(sent) / settings.duration)
    return replace(
        first,
        ledger=Ledger(*map(sum, zip(*(astuple(one.ledger) for one in rounds), strict=True))),
        intended=_spread([one.intended for one in rounds], sent, samples, "intended"),
        actual=_spread([one.actual for one in rounds], sent, samples, "actual"),
        published=_spread([one.published for one in rounds], sent, samples, "published"),
        cost=_merged_cost([one.cost for one in rounds]),
        watch=_worst([one.watch for one in rounds]),
        prediction=predict(first.technique, workload, path, sizes),
        simulated=_simulated([one.simulated for one in rounds]),
        sizes=sizes,
        service=path.service,
        request=fmean(one.request for one in rounds),
        push=path.push,
        event_probe=EventProbe(
            server=_mean(one.event_probe.server for one in rounds),
            clients=_mean(one.event_probe.clients for one in rounds),
        ),
        event_bytes=fmean(one.event_bytes for one in rounds),
        resets=sum(one.resets for one in rounds),
        rounds=len(rounds),
        sent=tuple(sent),
        samples=tuple(samples),
    )


def _renumbered(rounds: Sequence[Measurement]) -> tuple[list[Sent], list[Sample]]:
    """All events and deliveries but the warm-ups', numbered on from round to round."""
    sent, samples = list[Sent](), list[Sample]()
    numbers = seqs = 0  # of the rounds before
    for one in rounds:
        sent += [e._replace(number=e.number + numbers, seq=e.seq + seqs) for e in one.sent]
        samples += [s._replace(number=s.number + numbers) for s in one.samples if s.number >= 0]
        numbers = max(event.number for event in sent) + 1
        seqs = max(event.seq for event in sent)
    return sent, samples


def _spread(
    rounds: Sequence[Spread], sent: Sequence[Sent], samples: Sequence[Sample], origin: str
) -> Spread:
    within = spread(sent, samples, origin)
    medians = [one.p50 for one in rounds if one.count]
    if len(medians) < 2:
        return within
    _, half = between(medians)
    # No delay is below 0 (unless two hosts' clocks say so): to cut there costs no confidence. To
    # cut at the longest delay seen would: another start may well have its median beyond it.
    return replace(
        within,
        low=min(within.low, max(0.0, within.p50 - half)),
        high=max(within.high, within.p50 + half),
    )


def _merged_cost(rounds: Sequence[Cost]) -> Cost:
    def total(name: str) -> Any:
        values = [getattr(one, name) for one in rounds]
        return None if None in values else sum(values)

    added = {name: total(name) for name in ADDED}
    cpu = [one.cpu * one.deliveries for one in rounds if one.cpu is not None]
    return Cost(
        **added,
        connections=rounds[-1].connections,
        cpu=sum(cpu) / added["deliveries"]
        if len(cpu) == len(rounds) and added["deliveries"]
        else None,
        memory=_mean(one.memory for one in rounds),
    )


def _worst(rounds: Sequence[Watch]) -> Watch:
    """The highest of each: a round in which the load was late is a round too many."""
    failures = tuple(failure for one in rounds for failure in one.failures)
    errors = tuple(error for one in rounds for error in one.errors)
    busy, subscribers, late, behind, _, _ = zip(*map(astuple, rounds), strict=True)
    return Watch(max(busy), max(subscribers), max(late), max(behind), failures, errors)


def _simulated(rounds: Sequence[Simulated | None]) -> Simulated | None:
    known = [one for one in rounds if one is not None]
    if len(known) < len(rounds):
        return None
    requests = [one.requests for one in known if one.requests is not None]
    empty = [(one.empty or 0.0) * (one.requests or 0.0) for one in known]
    delays = tuple(sorted(delay for one in known for delay in one.delays))
    if len(requests) < len(known):  # it does not ask
        return Simulated(delays)
    total = math.fsum(requests)
    return Simulated(delays, total, math.fsum(empty) / total if total else 0.0)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
