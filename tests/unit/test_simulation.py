"""Simulation over given events, compared with test_theory's and with hand-computed values."""

from __future__ import annotations

import statistics

import pytest

from realtime_demo.comparison.results import EventProbe, Sample
from realtime_demo.comparison.simulation import Observed, Simulated
from realtime_demo.comparison.simulation import simulate as run_simulation
from realtime_demo.comparison.theory import NetworkPath, Sizes, Workload, predict
from realtime_demo.tap.network import Link, Network
from tests.unit.test_theory import DOWN, NETWORK, UP, arrivals, simulate

EVER = (0.0, 1e9)


def simulated(
    technique: str, workload: Workload, path: NetworkPath, observed: Observed
) -> Simulated:
    return run_simulation(technique, workload, path, Sizes(), observed)


@pytest.mark.parametrize("rate", [0.02, 0.5, 5, 50])
def test_long_polling_matches_a_simulation_per_event(rate: float) -> None:
    # The client already waits for the first event.
    events = [1 + event for event in arrivals(rate, 400 / rate)]
    delays, requests, empty = simulate(events, None, 25.0, events[-1] + 1)
    observed = Observed(events, 0, EVER, clients=1)
    simulation = simulated("longpoll", Workload(rate), NetworkPath(NETWORK), observed)
    assert simulation.delays == pytest.approx(sorted(delays))
    assert simulation.requests == pytest.approx(requests, rel=0.01, abs=1 + 1 / rate / 25)
    assert simulation.empty == pytest.approx(empty / requests, abs=0.01)


def test_polling_uses_the_observed_phases() -> None:
    request_times = [[0.2 + 1.08 * k for k in range(10)], [0.9 + 1.08 * k for k in range(10)]]
    path, workload = NetworkPath(NETWORK), Workload(1.0, interval=1.0)
    observed = Observed(
        [2.0, 2.5, 7.0], first=1, window=(1.0, 8.0), clients=2, request_times=request_times
    )
    simulation = simulated("polling", workload, path, observed)
    reached = [[time + UP for time in times] for times in request_times]
    expected = [
        min(t for t in times if t >= at) + DOWN - at for times in reached for at in (2.5, 7)
    ]
    assert simulation.delays == pytest.approx(sorted(expected)), "the first event does not count"
    counts = [sum(1.0 <= time < 8.0 for time in times) for times in request_times]
    assert simulation.requests == statistics.fmean(counts)
    assert simulation.empty == pytest.approx(1 - 6 / sum(counts)), (
        "three responses of each client had events"
    )


@pytest.mark.parametrize("technique", ["polling", "longpoll", "sse"])
def test_simulation_converges_to_the_formula(technique: str) -> None:
    events, path = arrivals(5.0, 4_000), NetworkPath(NETWORK, service=0.004, push=0.003)
    workload = Workload(5.0, interval=0.7)
    request_times = [[k * (0.7 + path.round_trip) for k in range(6_000)]]
    observed = Observed(events, 0, (0, 4_000), 1, request_times)
    simulation = simulated(technique, workload, path, observed)
    predicted = predict(technique, workload, path)
    assert simulation.mean == pytest.approx(predicted.delay.mean, rel=0.02)
    for share in (0.5, 0.99):
        assert simulation.quantile(share) == pytest.approx(
            predicted.delay.quantile(share), rel=0.03
        )
    if technique != "sse":
        assert simulation.requests == pytest.approx(predicted.requests_per_second * 4_000, rel=0.01)
        assert simulation.empty == pytest.approx(predicted.empty_share, rel=0.05, abs=0.01)


def test_bandwidth_and_jitter_keep_the_order() -> None:
    narrow = NetworkPath(Network(down=Link(bandwidth=1_000)))
    observed = Observed([0.0, 0.0, 1.0], 0, EVER, clients=1)
    simulation = run_simulation("sse", Workload(1), narrow, Sizes(event=100), observed)
    assert simulation.delays == pytest.approx([0.1, 0.1, 0.2])
    uneven = NetworkPath(Network(down=Link(0.01, jitter=0.5)))
    events = [k * 0.001 for k in range(200)]
    delays = [
        # Delays are sorted; one event at a time shows their order.
        simulated("sse", Workload(1), uneven, Observed(events[: k + 1], k, EVER, 1)).delays[0]
        for k in range(200)
    ]
    arrived = [event + delay for event, delay in zip(events, delays, strict=True)]
    assert arrived == sorted(arrived) and len(set(arrived)) < 100, "late events delay the next ones"


def test_work_is_drawn_from_the_probe() -> None:
    observed = Observed([float(k) for k in range(2_000)], 0, EVER, clients=1, work=[0.001, 0.003])
    simulation = simulated("websocket", Workload(1), NetworkPath(NETWORK, push=0.002), observed)
    assert {round(delay - DOWN, 6) for delay in simulation.delays} == {0.001, 0.003}
    assert simulation.mean == pytest.approx(DOWN + 0.002, rel=0.01)
    for technique, published in (("sse", list[float]()), ("polling", [1.0])):
        observed = Observed(published, 0, EVER, 1)
        assert (
            run_simulation(technique, Workload(1), NetworkPath(), Sizes(), observed) == Simulated()
        )


def test_event_waits_for_the_previous_event() -> None:
    observed = Observed([0.0, 0.001, 0.002, 1.0], 0, EVER, clients=1, busy=0.004)
    expected = [DOWN, DOWN, DOWN + 0.003, DOWN + 0.006]
    simulation = simulated("sse", Workload(1), NetworkPath(NETWORK), observed)
    assert simulation.delays == pytest.approx(expected)
    # M/D/1: half of rho / (1 - rho) times the work.
    events, busy = arrivals(50, 2_000), 0.01
    observed = Observed(events, 0, EVER, 1, busy=busy)
    simulation = simulated("sse", Workload(50), NetworkPath(NETWORK), observed)
    assert simulation.mean - DOWN == pytest.approx(0.5 * 0.5 / (1 - 0.5) * busy, rel=0.05)


@pytest.mark.parametrize("network_delay", [0.0, 0.1])
def test_event_probe_omits_outliers(network_delay: float) -> None:
    """An outlier is long compared with the work, however long the network delay is."""
    probe = EventProbe({-number: float(number) for number in range(1, 9)})
    samples = [
        Sample(c, -n, n + network_delay + (0.05 if n == 3 else 0.002))
        for n in range(1, 9)
        for c in (0, 1)
    ]
    work = probe.work([*samples, Sample(0, 7, 1.0)], network_delay, 0.0)
    assert work == pytest.approx([0.002] * 14)
    assert EventProbe().work(samples, network_delay, 0.0) == []
    both = probe + EventProbe({-9: 9.0}, server=0.002, clients=0.004)
    assert len(both.published) == 9 and both.busy == pytest.approx(0.006)


def test_jitter_is_not_an_outlier() -> None:
    probe = EventProbe({-number: float(number) for number in range(1, 9)})
    late = [0.01 + 0.04 * n / 8 for n in range(1, 9)]
    samples = [Sample(0, -n, n + 0.002 + late[n - 1]) for n in range(1, 9)]
    work = probe.work(samples, 0.01, 0.04)
    assert len(work) == 8
    assert statistics.fmean(work) == pytest.approx(0.002 + statistics.fmean(late) - 0.03)
