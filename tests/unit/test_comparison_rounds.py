"""Merging the rounds of a measurement."""

from __future__ import annotations

import math
import random

import pytest

from realtime_demo.comparison.plan import FEWEST_EVENTS, Settings
from realtime_demo.comparison.results import (
    Cost,
    EventProbe,
    GeneratorFigures,
    Ledger,
    Measurement,
    Sample,
    Sent,
    spread,
)
from realtime_demo.comparison.simulation import Simulated
from realtime_demo.comparison.summary import merged
from realtime_demo.comparison.theory import NetworkPath, Sizes, predict
from realtime_demo.tap.network import Network

SETTINGS = Settings(techniques=("polling",), clients=2, rate=10, duration=6, rounds=3)


def a_round(
    delays: list[float], *, lost: int = 0, cpu: float = 0.002, refused: int = 0
) -> Measurement:
    """Return a round with an event for each delay, to two clients; one misses the last `lost`."""
    sent = [Sent(n, n / 10, n / 10, n / 10, n / 10, n + 1) for n in range(len(delays))]
    samples = [
        Sample(client, event.number, event.published + delay)
        for event, delay in zip(sent, delays, strict=True)
        for client in range(2)
        if client == 0 or event.number < len(sent) - lost
    ]
    samples.insert(0, Sample(0, -1, 0.0))  # of the warm-up
    workload = SETTINGS.workload
    deliveries = len(samples) - 1
    return Measurement(
        name="polling",
        technique="polling",
        clients=2,
        ledger=Ledger.of(sent, samples, 2, refused),
        intended=spread(sent, samples, "intended"),
        actual=spread(sent, samples, "actual"),
        published=spread(sent, samples, "published"),
        cost=Cost(2.0, len(sent) * 2, deliveries, 4, 1, 400, 800, 2, 0, cpu),
        generator=GeneratorFigures(0.1, 0.2, 0.001, cpu),
        prediction=predict("polling", workload, NetworkPath(service=0.002), Sizes()),
        service=0.002,
        request=0.001 + cpu,
        event_probe=EventProbe({-9: 1.0}, 0.001, 0.003),
        simulated=Simulated(tuple(sorted(delays)), 2.0, 0.25),
        sent=tuple(sent),
        samples=tuple(samples),
    )


def test_one_round_is_unchanged() -> None:
    alone = a_round([0.1, 0.2])
    assert merged([alone], SETTINGS, Network()) is alone


def test_counts_of_rounds_are_added_up() -> None:
    late = a_round([0.3] * 10, cpu=0.004, refused=1)
    rounds = [a_round([0.1] * 20), a_round([0.2] * 30, lost=3), late]
    measurement = merged(rounds, SETTINGS, Network())
    assert measurement.rounds == 3
    assert measurement.ledger == Ledger(sent=120, received=117, lost=3, refused=2)
    assert Ledger.of(measurement.sent, measurement.samples, 2, refused=1) == measurement.ledger, (
        "the ledger can be recomputed"
    )
    cost = measurement.cost
    assert (cost.requests, cost.empty, cost.seconds) == (12, 3, 6.0) and math.isnan(cost.memory)
    assert cost.cpu == pytest.approx((0.002 * 97 + 0.004 * 20) / 117)
    assert measurement.request == pytest.approx(0.001 + 0.008 / 3)
    assert measurement.generator.subscriber_late == 0.004, "the worst round"
    assert measurement.published.count == 117
    assert measurement.published.p50 == pytest.approx(0.2)
    assert (measurement.simulated.requests, measurement.simulated.empty) == (6.0, 0.25)
    assert measurement.prediction.requests_per_event == pytest.approx(1 / (10 * 1.002))
    assert len({event.number for event in measurement.sent}) == 60


def test_interval_covers_the_spread_between_rounds() -> None:
    """Rounds vary by more than the samples within one do. The intervals of two results, each of
    three rounds, must still overlap as often as their level states."""
    generator = random.Random(7)

    def result() -> Measurement:
        rounds = []
        for _ in range(3):
            shift = 0.1 + generator.gauss(0, 0.001)
            rounds.append(a_round([shift + generator.gauss(0, 0.0002) for _ in range(20)]))
        return merged(rounds, SETTINGS, Network())

    overlapping = 0
    for _ in range(60):
        one, other = result().published, result().published
        overlapping += one.low <= other.high and other.low <= one.high
    assert overlapping >= 55
    assert (one.high - one.low) > 2 * (a_round([0.1] * 20).published.high - 0.1)


def test_delay_interval_is_not_negative() -> None:
    """With three rounds of few events, Student's t is 4.3, and the interval could go below zero."""
    rounds = [a_round([median - 0.01, median, median + 0.01]) for median in (0.2, 0.7, 1.2)]
    published = merged(rounds, SETTINGS, Network()).published
    assert published.low == 0.0 < published.p50 < published.high
    skewed = [a_round([delay] * 3) for delay in (-0.02, 0.1, 0.2)]
    assert merged(skewed, SETTINGS, Network()).published.low == pytest.approx(-0.02)


def test_every_round_has_enough_events() -> None:
    assert [settings.duration for settings in SETTINGS.each_round()] == [2.0] * 3
    assert len({settings.seed for settings in SETTINGS.each_round()}) == 3
    for seed in range(1, 40):
        rare = Settings(rate=0.5, duration=30, rounds=3, seed=seed).each_round()
        assert sum(settings.duration for settings in rare) == 30
        assert len(rare) == 1 or min(settings.events() for settings in rare) >= FEWEST_EVENTS
    assert len(rare[0].each_round()) == 1, "a round cannot be divided"
    fixed = Settings(rate=0.5, arrivals="fixed", duration=30, rounds=3, warmup=2)
    assert [settings.events() for settings in fixed.each_round()] == [5, 5, 5], (
        "events of the warm-up are not counted"
    )
    assert len(Settings(rate=0.5, arrivals="fixed", duration=9).each_round()) == 1
