"""The theory, compared with independent simulations and hand-computed values."""

from __future__ import annotations

import math
import random
import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_demo.comparison.theory import (
    Component,
    Delay,
    NetworkPath,
    Sizes,
    Workload,
    framed,
    predict,
    silences,
)
from realtime_demo.tap.network import Link, Network

UP, DOWN = 0.03, 0.05
NETWORK = Network(up=Link(UP), down=Link(DOWN))


def arrivals(rate: float, seconds: float, seed: int = 1) -> list[float]:
    generator, now, times = random.Random(seed), 0.0, list[float]()
    while (now := now + generator.expovariate(rate)) < seconds:
        times.append(now)
    return times


def simulate(
    events: list[float], interval: float | None, hold: float, until: float
) -> tuple[list[float], int, int]:
    """Simulate one client; return (delays, requests, empty responses).

    It polls again `interval` seconds after each response, or at once with long polling (None).
    """
    delays, requests, empty, requested, place = list[float](), 0, 0, 0.0, 0
    while requested < until:
        requests += 1
        at = requested + UP
        responded = at
        if interval is None and (place >= len(events) or events[place] > at):
            due = events[place] if place < len(events) else math.inf
            responded = min(due, at + hold)
        first = place
        while place < len(events) and events[place] <= responded:
            delays.append(responded + DOWN - events[place])
            place += 1
        empty += place == first
        requested = responded + DOWN + (interval or 0.0)
    return delays, requests, empty


@pytest.mark.parametrize(
    ("technique", "rate", "interval", "hold"),
    [
        *(("polling", rate, pause, 25.0) for rate in (0.5, 5, 50) for pause in (0.1, 1.0, 5.0)),
        *(("longpoll", rate, None, hold) for rate in (0.02, 0.5, 5, 50) for hold in (2.0, 25.0)),
    ],
)
def test_requests_match_a_simulation(
    technique: str, rate: float, interval: float | None, hold: float
) -> None:
    seconds = 60_000 / rate
    delays, requests, empty = simulate(arrivals(rate, seconds), interval, hold, seconds)
    workload = Workload(rate, interval=interval or 1.0, hold=hold)
    prediction = predict(technique, workload, NetworkPath(NETWORK))
    assert prediction.delay.mean == pytest.approx(statistics.fmean(delays), rel=0.02)
    first, within = (0.5, 0.03) if technique == "polling" else (0.3, 0.05)
    for share in (first, 0.9, 0.99):
        measured = sorted(delays)[int(share * len(delays))]
        assert prediction.delay.quantile(share) == pytest.approx(measured, rel=within)
    assert prediction.requests_per_second == pytest.approx(requests / seconds, rel=0.01)
    assert prediction.requests_per_event == pytest.approx(requests / len(delays), rel=0.02)
    assert prediction.empty_share == pytest.approx(empty / requests, rel=0.03, abs=0.002)


@pytest.mark.parametrize("rate", [0.03, 0.5, 5, 13.7, 53.3])
def test_fixed_arrivals_match_a_simulation(rate: float) -> None:
    seconds = 10_000 / rate
    events = [(number + 0.37) / rate for number in range(10_000)]
    delays, requests, _ = simulate(events, None, 25.0, seconds)
    prediction = predict("longpoll", Workload(rate, "fixed"), NetworkPath(NETWORK))
    assert prediction.delay.mean == pytest.approx(statistics.fmean(delays), rel=0.02)
    assert prediction.requests_per_event == pytest.approx(requests / len(delays), rel=0.02)


def test_delays_follow_rfc_6202() -> None:
    """Check long polling's mean delay in its usual form, with R the round trip."""
    rate, gap = 5.0, UP + DOWN
    prediction = predict("longpoll", Workload(rate, hold=1e9), NetworkPath(NETWORK))
    cycle = gap + math.exp(-rate * gap) / rate
    assert prediction.requests_per_second == pytest.approx(1 / cycle)
    assert prediction.delay.mean == pytest.approx(DOWN + gap / 2 * gap / cycle)
    # Section 2.2: an event just after a response waits for at most three one-way delays.
    assert prediction.delay.longest == pytest.approx(DOWN + UP + DOWN)


@pytest.mark.parametrize("technique", ["streaming", "sse", "websocket", "websocket-sync"])
def test_open_connection_has_one_way_delay(technique: str) -> None:
    prediction = predict(technique, Workload(5), NetworkPath(NETWORK, service=0.002))
    assert prediction.delay.mean == prediction.delay.quantile(0.99) == pytest.approx(DOWN + 0.001)
    assert prediction.requests_per_event == 0


def test_bandwidth_limits_and_delays_events() -> None:
    path = NetworkPath(Network.of(bandwidth=1_000))
    prediction = predict("sse", Workload(1), path, Sizes(event=200))
    assert prediction.delay.mean == pytest.approx(0.2)
    with pytest.raises(ValueError, match="exceed the bandwidth"):
        predict("sse", Workload(10), path, Sizes(event=200))


def test_bytes_match_hand_computed_examples() -> None:
    # 1 event and 1 request a second: 1/e of the responses are empty, so (1 - 1/e) responses carry
    # an event, and each further event in a batch costs a comma.
    prediction = predict("polling", Workload(1), NetworkPath(), Sizes(up=100, down=200, event=50))
    assert prediction.up_per_event == pytest.approx(100)
    assert prediction.down_per_event == pytest.approx(200 + 50 + math.exp(-1))
    assert prediction.idle_up == pytest.approx(360_000)
    prediction = predict("longpoll", Workload(1), NetworkPath(), Sizes(up=100, down=200, event=50))
    assert prediction.idle_down == pytest.approx(3600 / 25 * 200)
    prediction = predict("sse", Workload(1 / 15), NetworkPath(), Sizes(down=8, event=50))
    assert prediction.down_per_event == pytest.approx(50 + 8 / (math.e - 1))
    assert prediction.idle_down == pytest.approx(240 * 8)
    sizes = Sizes(down=48, event=50, ping_up=28, ping_down=20)
    prediction = predict("websocket", Workload(0.5), NetworkPath(), sizes)
    assert prediction.up_per_event == pytest.approx(28 / 10)
    assert prediction.idle_down == pytest.approx(240 * 48 + 180 * 20)


def test_framing_matches_hand_computed_examples() -> None:
    event = len('{"id":"k-1"}')  # 12 bytes of JSON, id of 3, room of 1
    assert framed("streaming", event, 3, 1) == len("d\r\n") + 13 + len("\r\n")
    assert framed("sse", event, 3, 1) == len("1b\r\nid: k-1\ndata: ............\n\n\r\n")
    batch = len('{"room":"x","cursor":"k-1","events":[............]}')
    assert framed("websocket", event, 3, 1) == 2 + batch
    assert framed("websocket", 200, 3, 1) - framed("websocket", 199, 3, 1) == 1
    assert framed("websocket", 70_000, 3, 1) == 10 + 70_000 + batch - 12


@settings(deadline=None)
@given(st.floats(0.01, 10), st.floats(0.1, 60))
def test_silences_match_their_definition(rate: float, length: float) -> None:
    chance = random.Random(2)
    times = [0.0]
    for _ in range(2_000):
        times.append(times[-1] + chance.expovariate(rate))
    counted = sum(math.floor((b - a) / length) for a, b in pairwise(times)) / 2_000
    expected = silences(Workload(rate), length)
    assert counted == pytest.approx(expected, rel=0.15, abs=0.05)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.01, 1), st.floats(0, 2), st.floats(0, 2), st.floats(0, 2)),
        min_size=1,
        max_size=4,
    ),
    st.floats(0.01, 0.99),
)
def test_distribution_rises_to_one_and_has_the_mean(
    parts: list[tuple[float, float, float, float]], share: float
) -> None:
    total = sum(part[0] for part in parts)
    delay = Delay(tuple(Component(w / total, start, (a, b)) for w, start, a, b in parts))
    assert delay.cdf(-1) == 0
    assert delay.cdf(delay.longest + 1e-6) == pytest.approx(1)
    place = delay.quantile(share)
    assert delay.cdf(place + 1e-6) >= share - 1e-6
    assert delay.cdf(place - 1e-6) <= share + 1e-6 or place < 1e-5
    # The mean is the area above the distribution function.
    steps = 4_000
    area = sum(1 - delay.cdf((k + 0.5) * delay.longest / steps) for k in range(steps))
    assert delay.mean == pytest.approx(area * delay.longest / steps, abs=0.01)


@pytest.mark.parametrize(
    "arguments", [{"rate": 0}, {"rate": 1, "interval": -1}, {"rate": 1, "hold": 0}]
)
def test_invalid_workload_is_rejected(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="got"):
        Workload(**arguments)  # type: ignore[arg-type]
