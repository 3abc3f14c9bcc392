"""Several rounds of one measurement, with new clients each time, made into one.

How processes lie, wake and share the cores differs from start to start, and the machine is at
something else a minute later. No number of samples of one start can tell that; other starts can
(Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time", 2013). So the techniques take
turns, round after round, and the interval on a median is at least the one between its rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, replace
from statistics import fmean

from realtime_demo.tap.network import Network

from .ledger import Ledger, Sample, Sent
from .plan import Settings
from .probes import Volley
from .results import Cost, Measurement, Watch, spread
from .simulation import Played
from .statistics import Spread, between
from .theory import Path, Sizes, predict


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
        cost=_cost([one.cost for one in rounds]),
        watch=_watch([one.watch for one in rounds]),
        prediction=predict(first.technique, workload, path, sizes),
        played=_played([one.played for one in rounds]),
        sizes=sizes,
        service=path.service,
        request=fmean(one.request for one in rounds),
        push=path.push,
        volley=Volley(
            server=_mean(one.volley.server for one in rounds),
            clients=_mean(one.volley.clients for one in rounds),
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


def _cost(rounds: Sequence[Cost]) -> Cost:
    deliveries = sum(one.deliveries for one in rounds)
    spent = [one.cpu * one.deliveries for one in rounds if one.cpu is not None]
    return Cost(
        seconds=sum(one.seconds for one in rounds),
        published=sum(one.published for one in rounds),
        deliveries=deliveries,
        requests=_sum(one.requests for one in rounds),
        empty=_sum(one.empty for one in rounds),
        up=_sum(one.up for one in rounds),
        down=_sum(one.down for one in rounds),
        connections=rounds[-1].connections,
        reconnects=_sum(one.reconnects for one in rounds),
        cpu=sum(spent) / deliveries if len(spent) == len(rounds) and deliveries else None,
        memory=_mean(one.memory for one in rounds),
    )


def _watch(rounds: Sequence[Watch]) -> Watch:
    """The worst of it: a round in which the load was late is a round too many."""
    return Watch(
        publisher_busy=max(one.publisher_busy for one in rounds),
        subscriber_busy=max(one.subscriber_busy for one in rounds),
        publisher_late=max(one.publisher_late for one in rounds),
        subscriber_late=max(one.subscriber_late for one in rounds),
        failures=tuple(failure for one in rounds for failure in one.failures),
        errors=tuple(error for one in rounds for error in one.errors),
    )


def _played(rounds: Sequence[Played | None]) -> Played | None:
    known = [one for one in rounds if one is not None]
    if len(known) < len(rounds):
        return None
    requests = [one.requests for one in known if one.requests is not None]
    empty = [(one.empty or 0.0) * (one.requests or 0.0) for one in known]
    delays = tuple(sorted(delay for one in known for delay in one.delays))
    if len(requests) < len(known):  # it does not ask
        return Played(delays)
    total = math.fsum(requests)
    return Played(delays, total, math.fsum(empty) / total if total else 0.0)


def _sum(values: Iterable[int | None]) -> int | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
