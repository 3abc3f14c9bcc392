"""The measurement of a technique, made from counts, probes and events, and merged from rounds.

Memory layout, scheduling and other load differ between starts of the same processes. More
samples of one start do not show that; more starts do (Kalibera and Jones, "Rigorous Benchmarking
in Reasonable Time", 2013). So techniques alternate, round by round, and the interval on a median
is at least the interval between its rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from statistics import fmean
from typing import Any

from realtime_demo.tap.network import Network

from .host import cores
from .load import Mark, RequestProbe, SubscriberCounts
from .plan import Adapter, Settings
from .results import Cost, EventProbe, GeneratorFigures, Ledger, Measurement, Sample, Sent, spread
from .simulation import Observed, Simulated, simulate
from .statistics import Spread, interval_between_runs, mean_of_known
from .theory import NetworkPath, Sizes, open_sizes, predict

WEIGHED = 50  # clients: with fewer, a server's other memory hides that of its connections
ORIGINS = ("intended", "actual", "published")  # of delays: times of `Sent`
# Figures that are added up over rounds.
ADDED = ("seconds", "published", "deliveries", "requests", "empty", "up", "down", "reconnects")


@dataclass(frozen=True)
class Window:
    """The events published in a window, and the counts at its ends.

    `refused` is the number of its events that the server rejected. `cpu` is the server's CPU
    seconds in it, without publishing (NaN: unknown).
    """

    sent: tuple[Sent, ...]
    refused: int
    every: tuple[float, ...]  # publication times of all events, with the warm-up's
    identity: float  # the mean length of an event's id, and the bytes of its JSON
    event_size: float
    began: list[Mark]
    ended: list[Mark]
    cpu: float
    generator: GeneratorFigures


@dataclass(frozen=True)
class Evidence:
    """The observations of a phase: clients of one technique (`alone`) or of all in a room.

    `warmed` has the publication times of the events before the window, `memory` the bytes by
    which the server grew with its clients. `probes`, `samples` and `request_times` are by the
    adapter's name, as from `measurement.Phase`.
    """

    settings: Settings
    room: str
    tapped: bool
    alone: bool
    warmed: Sequence[float]
    window: Window
    ends: Sequence[Mark]
    probes: Mapping[str, RequestProbe]
    event_probe: EventProbe
    memory: float
    samples: Mapping[str, Sequence[Sample]]
    request_times: Mapping[str, Sequence[Sequence[float]]]


def _counted(marks: Sequence[Mark], name: str) -> tuple[float, SubscriberCounts]:
    """Return the mean time and the sum of the counts of the processes of `name`."""
    matching = [mark for mark in marks if mark.name == name]
    counts = sum((mark.counts for mark in matching), SubscriberCounts())
    return fmean(mark.time for mark in matching), counts


def summarise(evidence: Evidence, adapter: Adapter) -> Measurement:
    """Return the measurement of `adapter`, with the theory's prediction for it."""
    settings, window, name = evidence.settings, evidence.window, adapter.name
    samples, probe = evidence.samples[name], evidence.probes.get(name)
    sizes = _sizes(evidence, adapter)
    path, work = NetworkPath(settings.network if evidence.tapped else Network()), list[float]()
    if probe is not None:
        path = replace(path, service=max(0.0, probe.seconds - path.network.rtt))
    if adapter.response_ends != "at once":
        path, work = _push(path, sizes, evidence.event_probe, samples)
    # The first responses in the window may still have events published before it.
    begin = window.sent[0].published
    probed = (time for time in evidence.event_probe.published.values() if time < begin)
    published = sorted([*evidence.warmed, *window.every, *probed])
    workload = replace(settings.workload, rate=len(window.sent) / settings.duration)
    observed = Observed(
        published=published,
        first=len(published) - len(window.sent),
        window=(_counted(window.began, name)[0], _counted(window.ended, name)[0]),
        clients=settings.clients,
        request_times=evidence.request_times[name],
        work=work,
        busy=evidence.event_probe.busy / cores(),
    )
    delays: dict[str, Any] = {origin: spread(window.sent, samples, origin) for origin in ORIGINS}
    return Measurement(
        name=name,
        technique=adapter.technique,
        clients=settings.clients,
        ledger=Ledger.of(window.sent, samples, settings.clients, window.refused),
        **delays,
        cost=_cost(evidence, name),
        generator=window.generator,
        prediction=predict(adapter.technique, workload, path, sizes),
        simulated=simulate(adapter.technique, workload, path, sizes, observed),
        sizes=sizes,
        service=path.service,
        request=probe.alone if probe is not None else 0.0,
        push=path.push,
        event_probe=evidence.event_probe,
        cores=cores(),
        event_bytes=window.event_size,
        resets=_counted(evidence.ends, name)[1].resets,
        sent=window.sent,
        samples=tuple(samples),
    )


def _cost(evidence: Evidence, name: str) -> Cost:
    """Return the costs between the window's beginning and its end."""
    clients, window = evidence.settings.clients, evidence.window
    (start, began), (end, ended) = _counted(window.began, name), _counted(window.ended, name)
    deliveries = ended.received - began.received
    cost = Cost(end - start, len(window.sent) * clients, deliveries)
    if evidence.alone and deliveries:
        cost = replace(cost, cpu=window.cpu / deliveries * 1_000)
    if evidence.alone and clients >= WEIGHED:
        cost = replace(cost, memory=evidence.memory / clients)
    if not evidence.tapped:
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
    path: NetworkPath, sizes: Sizes, probe: EventProbe, samples: Sequence[Sample]
) -> tuple[NetworkPath, list[float]]:
    """Return `path` with the mean work on a delivery, and the work on each delivery.

    The work is the probe's delays minus the known delay of the network.
    """
    start, jitter = path.way_down(sizes.down + sizes.event, 0.0)
    work = probe.work(samples, start, jitter)
    if not work:
        return path, []
    push = max(0.0, fmean(work))
    # With jitter, the work on a single delivery is unknown: use the mean.
    return replace(path, push=push), [push] if jitter else work


def _sizes(evidence: Evidence, adapter: Adapter) -> Sizes:
    event, identity = evidence.window.event_size, evidence.window.identity
    if not adapter.is_polled:
        return open_sizes(adapter.technique, event, identity, len(evidence.room))
    if (probe := evidence.probes.get(adapter.name)) is None:
        return Sizes()
    # The probe's room was empty, so its cursor was shorter.
    longer = identity - probe.cursor if probe.cursor else 0.0
    return Sizes(up=probe.up + longer, down=probe.down + longer, event=event)


# --- Rounds ------------------------------------------------------------------------------


def merged(rounds: Sequence[Measurement], settings: Settings, network: Network) -> Measurement:
    """Merge the measurements of a technique's rounds.

    Counts are added up; percentiles and predictions are of all events. `network` is the simulated
    network.
    """
    first = rounds[0]
    if len(rounds) == 1:
        return first
    sent, samples = _renumbered(rounds)
    service = fmean(one.service for one in rounds)
    pushes = [one.push for one in rounds if one.push is not None]
    path = NetworkPath(network, service, fmean(pushes) if pushes else None)
    sizes = Sizes(*map(fmean, zip(*(astuple(one.sizes) for one in rounds), strict=True)))
    workload = replace(settings.workload, rate=len(sent) / settings.duration)
    delays: dict[str, Any] = {origin: _spread(rounds, sent, samples, origin) for origin in ORIGINS}
    return replace(
        first,
        ledger=Ledger(*map(sum, zip(*(astuple(one.ledger) for one in rounds), strict=True))),
        **delays,
        cost=_merged_cost([one.cost for one in rounds]),
        generator=_worst([one.generator for one in rounds]),
        prediction=predict(first.technique, workload, path, sizes),
        simulated=_simulated([one.simulated for one in rounds]),
        sizes=sizes,
        service=path.service,
        request=fmean(one.request for one in rounds),
        push=path.push,
        event_probe=EventProbe(
            server=mean_of_known(one.event_probe.server for one in rounds),
            clients=mean_of_known(one.event_probe.clients for one in rounds),
        ),
        event_bytes=fmean(one.event_bytes for one in rounds),
        resets=sum(one.resets for one in rounds),
        rounds=len(rounds),
        sent=tuple(sent),
        samples=tuple(samples),
    )


def _renumbered(rounds: Sequence[Measurement]) -> tuple[list[Sent], list[Sample]]:
    """Return all events and deliveries without the warm-ups', numbered through all rounds."""
    sent, samples = list[Sent](), list[Sample]()
    numbers = seqs = 0  # offsets: after the last number and seq of the previous round
    for round_ in rounds:
        sent += [e._replace(number=e.number + numbers, seq=e.seq + seqs) for e in round_.sent]
        samples += [s._replace(number=s.number + numbers) for s in round_.samples if s.number >= 0]
        numbers = max(event.number for event in sent) + 1
        seqs = max(event.seq for event in sent)
    return sent, samples


def _spread(
    rounds: Sequence[Measurement], sent: Sequence[Sent], samples: Sequence[Sample], origin: str
) -> Spread:
    within = spread(sent, samples, origin)
    medians = [one.p50 for each in rounds if (one := getattr(each, origin)).count]
    if len(medians) < 2:
        return within
    _, half = interval_between_runs(medians)
    # Delays are not below 0 (except for errors of two hosts' clocks), so cutting the interval at 0
    # is safe. Cutting it at the longest delay is not: another start's median may exceed that.
    return replace(
        within,
        low=min(within.low, max(0.0, within.p50 - half)),
        high=max(within.high, within.p50 + half),
    )


def _merged_cost(rounds: Sequence[Cost]) -> Cost:
    added = {name: sum(getattr(one, name) for one in rounds) for name in ADDED}
    cost = Cost(
        **added,
        connections=rounds[-1].connections,
        memory=mean_of_known(one.memory for one in rounds),
    )
    if not cost.deliveries:
        return cost
    return replace(cost, cpu=sum(one.cpu * one.deliveries for one in rounds) / cost.deliveries)


def _worst(rounds: Sequence[GeneratorFigures]) -> GeneratorFigures:
    """Return the highest of each figure: one round with late load makes the result doubtful."""
    busy, subscribers, late, behind, failures, errors = zip(*map(astuple, rounds), strict=True)
    texts = sum(failures, ()), sum(errors, ())
    return GeneratorFigures(max(busy), max(subscribers), max(late), max(behind), *texts)


def _simulated(rounds: Sequence[Simulated]) -> Simulated:
    if not all(one.delays for one in rounds):
        return Simulated()
    delays = tuple(sorted(delay for one in rounds for delay in one.delays))
    requests = sum(one.requests for one in rounds)
    empty = sum(one.empty * one.requests for one in rounds)
    return Simulated(delays, requests, empty / requests if requests else 0.0)
