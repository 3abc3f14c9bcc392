"""The theory simulated over given events: against the simulation of test_theory, and by hand."""

from __future__ import annotations

import statistics

import pytest

from realtime_demo.comparison.results import EventProbe, Sample
from realtime_demo.comparison.simulation import Observed, Simulated
from realtime_demo.comparison.simulation import simulate as play
from realtime_demo.comparison.theory import NetworkPath, Sizes, Workload, predict
from realtime_demo.tap.network import Link, Network
from tests.unit.test_theory import DOWN, NETWORK, UP, arrivals, simulate

EVER = (0.0, 1e9)


def simulated(
    technique: str, workload: Workload, path: NetworkPath, observed: Observed
) -> Simulated:
    found = play(technique, workload, path, Sizes(), observed)
    assert found is not None
    return found


@pytest.mark.parametrize("rate", [0.02, 0.5, 5, 50])
def test_long_polling_matches_a_simulation_per_event(rate: float) -> None:
    events = [1 + event for event in arrivals(rate, 400 / rate)]  # the first finds it waiting
    delays, requests, empty = simulate(events, None, 25.0, events[-1] + 1)
    found = simulated(
        "longpoll", Workload(rate), NetworkPath(NETWORK), Observed(events, 0, EVER, clients=1)
    )
    assert found.delays == pytest.approx(sorted(delays))
    assert found.requests == pytest.approx(requests, rel=0.01, abs=1 + 1 / rate / 25)
    assert found.empty == pytest.approx(empty / requests, abs=0.01)


def test_polling_uses_the_observed_phases() -> None:
    asked = [[0.2 + 1.08 * k for k in range(10)], [0.9 + 1.08 * k for k in range(10)]]
    path, workload = NetworkPath(NETWORK), Workload(1.0, interval=1.0)
    observed = Observed([2.0, 2.5, 7.0], first=1, window=(1.0, 8.0), clients=2, request_times=asked)
    found = simulated("polling", workload, path, observed)
    reached = [[time + UP for time in times] for times in asked]
    expected = [
        min(t for t in times if t >= at) + DOWN - at for times in reached for at in (2.5, 7)
    ]
    assert found.delays == pytest.approx(sorted(expected)), "the first event does not count"
    counts = [sum(1.0 <= time < 8.0 for time in times) for times in asked]
    assert found.requests == statistics.fmean(counts)
    assert found.empty == pytest.approx(1 - 6 / sum(counts)), "three of each brought an event"


@pytest.mark.parametrize("technique", ["polling", "longpoll", "sse"])
def test_simulation_converges_to_the_formula(technique: str) -> None:
    events, path = arrivals(5.0, 4_000), NetworkPath(NETWORK, service=0.004, push=0.003)
    workload = Workload(5.0, interval=0.7)
    asked = [[k * (0.7 + path.round_trip) for k in range(6_000)]]
    found = simulated(technique, workload, path, Observed(events, 0, (0, 4_000), 1, asked))
    predicted = predict(technique, workload, path)
    assert found.mean == pytest.approx(predicted.delay.mean, rel=0.02)
    for share in (0.5, 0.99):
        assert found.quantile(share) == pytest.approx(predicted.delay.quantile(share), rel=0.03)
    if technique != "sse":
        assert found.requests == pytest.approx(predicted.requests_per_second * 4_000, rel=0.01)
        assert found.empty == pytest.approx(predicted.empty_share, rel=0.05, abs=0.01)


def test_bandwidth_and_jitter_keep_the_order() -> None:
    narrow = NetworkPath(Network(down=Link(bandwidth=1_000)))
    observed = Observed([0.0, 0.0, 1.0], 0, EVER, clients=1)
    found = play("sse", Workload(1), narrow, Sizes(event=100), observed)
    assert found is not None and found.delays == pytest.approx([0.1, 0.1, 0.2])
    uneven = NetworkPath(Network(down=Link(0.01, jitter=0.5)))
    events = [k * 0.001 for k in range(200)]
    delays = [
        # Sorted, delays hide the order; one event at a time shows it.
        simulated("sse", Workload(1), uneven, Observed(events[: k + 1], k, EVER, 1)).delays[0]
        for k in range(200)
    ]
    come = [event + delay for event, delay in zip(events, delays, strict=True)]
    assert come == sorted(come) and len(set(come)) < 100, "late ones hold the next ones up"


def test_work_is_drawn_from_the_probe() -> None:
    observed = Observed([float(k) for k in range(2_000)], 0, EVER, clients=1, work=[0.001, 0.003])
    found = simulated("websocket", Workload(1), NetworkPath(NETWORK, push=0.002), observed)
    assert {round(delay - DOWN, 6) for delay in found.delays} == {0.001, 0.003}
    assert found.mean == pytest.approx(DOWN + 0.002, rel=0.01)
    assert play("sse", Workload(1), NetworkPath(), Sizes(), Observed([], 0, EVER, 1)) is None
    assert play("polling", Workload(1), NetworkPath(), Sizes(), Observed([1.0], 0, EVER, 1)) is None


def test_event_waits_for_the_previous_event() -> None:
    observed = Observed([0.0, 0.001, 0.002, 1.0], 0, EVER, clients=1, busy=0.004)
    expected = [DOWN, DOWN, DOWN + 0.003, DOWN + 0.006]
    assert simulated("sse", Workload(1), NetworkPath(NETWORK), observed).delays == pytest.approx(
        expected
    )
    # M/D/1: half of rho / (1 - rho) times the work.
    events, busy = arrivals(50, 2_000), 0.01
    found = simulated(
        "sse", Workload(50), NetworkPath(NETWORK), Observed(events, 0, EVER, 1, busy=busy)
    )
    assert found.mean - DOWN == pytest.approx(0.5 * 0.5 / (1 - 0.5) * busy, rel=0.05)


@pytest.mark.parametrize("way", [0.0, 0.1])
def test_event_probe_omits_outliers(way: float) -> None:
    """However long the way is: a stumble is long beside the work, not beside the way."""
    volley = EventProbe({-number: float(number) for number in range(1, 9)})
    samples = [
        Sample(c, -n, n + way + (0.05 if n == 3 else 0.002)) for n in range(1, 9) for c in (0, 1)
    ]
    work = volley.work([*samples, Sample(0, 7, 1.0)], way, 0.0)
    assert work == pytest.approx([0.002] * 14)
    assert EventProbe().work(samples, way, 0.0) == []
    both = volley + EventProbe({-9: 9.0}, server=0.002, clients=0.004)
    assert len(both.published) == 9 and both.busy == pytest.approx(0.006)


def test_jitter_is_not_an_outlier() -> None:
    volley = EventProbe({-number: float(number) for number in range(1, 9)})
    late = [0.01 + 0.04 * n / 8 for n in range(1, 9)]
    samples = [Sample(0, -n, n + 0.002 + late[n - 1]) for n in range(1, 9)]
    work = volley.work(samples, 0.01, 0.04)
    assert len(work) == 8
    assert statistics.fmean(work) == pytest.approx(0.002 + statistics.fmean(late) - 0.03)
