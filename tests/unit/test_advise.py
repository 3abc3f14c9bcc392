"""Advice from a measurement and formulas, for up to millions of clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command

from realtime_demo.comparison.advice import (
    GIB,
    REFERENCE,
    Basis,
    Machine,
    Need,
    RedisBasis,
    advise,
    bases,
    interval_for,
    load,
    redis_basis,
    scale,
)
from realtime_demo.comparison.theory import Delay, Sizes

POLLED = Basis(Sizes(180, 160, 200), 0.002, 200, 2e-4, 3e-4, 10_000, 2e-4)
OPEN = Basis(Sizes(0, 6, 210), 0.002, 200, 5e-5, None, 13_000, 5e-5)
KNOWN = {"polling": POLLED, "longpoll": POLLED, "streaming": OPEN, "sse": OPEN, "websocket": OPEN}


def chosen(**need: Any) -> str | None:
    choice = advise(Need(**need), KNOWN).choice
    return choice.name if choice else None


@pytest.mark.parametrize(
    ("need", "technique"),
    [
        ({"clients": 100, "rate": 1, "tolerated": 0.2}, "sse"),
        ({"clients": 100, "rate": 1, "tolerated": 0.2, "talkative": True}, "websocket"),
        ({"clients": 100, "rate": 1, "tolerated": 0.2, "buffering": True}, "websocket"),
        (
            {"clients": 100, "rate": 1, "tolerated": 0.2, "buffering": True, "no_websocket": True},
            "longpoll",
        ),
        ({"clients": 10**6, "rate": 10, "tolerated": 60}, "polling"),
        ({"clients": 100, "rate": 0.001, "tolerated": 600, "battery": True}, "polling"),
        ({"clients": 100, "rate": 1, "tolerated": 0.01}, None),
    ],
)
def test_advice_follows_the_workload(need: dict[str, Any], technique: str | None) -> None:
    assert chosen(**need) == technique


def test_advice_for_a_million_clients() -> None:
    advice = advise(Need(10**6, rate=1, tolerated=0.5), KNOWN)
    options = {option.name: option for option in advice.options}
    # 10^6 deliveries a second, each 50 microseconds, and almost no heartbeats between them.
    assert options["sse"].cores == pytest.approx(10**6 * 5e-5, rel=1e-5)
    assert options["sse"].processes == 100, "limited by connections per process, not by cores"
    assert options["sse"].memory == pytest.approx(1.3e10)
    assert options["sse"].requests == 0
    # A process writes to its 10,000 clients one after another: the last waits half a second.
    assert options["sse"].prediction.delay.longest == pytest.approx(0.05 / 2 + 0.001 + 0.5)
    assert options["polling"].prediction.delay.longest < 0.51
    assert options["longpoll"].requests > 0.8e6
    assert options["polling"].processes == pytest.approx(
        options["polling"].requests * 3e-4 / 0.6, rel=0.01
    )


def test_long_poll_delay_grows_with_the_clients() -> None:
    """A client waits for the responses to other clients, sent before its own."""

    def delay(clients: int, rtt: float) -> Delay:
        need = Need(clients, rate=0.01, tolerated=1, rtt=rtt)
        return advise(need, KNOWN).options[1].prediction.delay

    assert delay(1, 0.05).mean == pytest.approx(0.05 / 2 + 0.001, abs=2e-4)
    assert delay(1, 0.05).quantile(0.99) == pytest.approx(0.05 / 2 + 0.001, abs=2e-4)
    # 200 times 0.2 ms: half of it sends responses, the last 20 ms after the first.
    assert delay(200, 0.0).mean == pytest.approx(0.001 + 0.01, abs=2e-4)
    assert delay(200, 0.0).quantile(0.99) == pytest.approx(0.001 + 0.02, abs=4e-4)
    # Then all poll again, and the last of these requests is handled another 20 ms later.
    longest = delay(200, 0.0).longest
    assert longest == pytest.approx(0.001 + 0.01 + (0.002 + 0.02))


def test_costs_are_per_request_and_per_event() -> None:
    saved = json.loads(REFERENCE.read_text())
    technique = saved["configurations"][0]["techniques"]["longpoll"]
    technique |= {"service": 0.04, "request": 0.0005, "clients": 200}
    technique["volley"]["server"] = 0.03
    _, costs = bases(saved)
    assert costs["longpoll"].service == 0.0005
    assert costs["longpoll"].work == pytest.approx(0.00015)
    assert costs["polling"].work is None


def test_polling_interval_meets_the_tolerated_delay() -> None:
    need = Need(100, rate=1, tolerated=2.0, rtt=0.1)
    option = advise(need, KNOWN).options[0]
    assert option.interval == interval_for(need, 0.002)
    assert option.prediction.delay.quantile(0.99) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (
            {"rate": 10, "rtt": 0.001, "tolerated": 0.01},
            {"polling": "need up to", "sse": "up to 60.9 ms, since a process takes"},
        ),
        (
            {"rate": 1, "rtt": 0.08, "tolerated": 0.001},
            dict.fromkeys(KNOWN, "of which the one-way network delay is 40"),
        ),
        (
            {"clients": 1, "rate": 20, "rtt": 0.08, "tolerated": 0.1}
            | {"buffering": True, "no_websocket": True},
            {"longpoll": "need up to 12", "sse": "holds a stream back", "websocket": "reject"},
        ),
    ],
)
def test_each_unfit_technique_has_its_reason(need: dict[str, Any], words: dict[str, str]) -> None:
    advice = advise(Need(**{"clients": 2_000_000} | need), KNOWN)
    assert advice.choice is None and "network" not in advice.reason
    against = {option.name: "; ".join(option.against) for option in advice.options}
    for name, text in words.items():
        assert text in against[name], against
    if need["rtt"] / 2 <= need["tolerated"]:
        assert not any("network" in text for text in against.values())


def test_the_reference_measurement_is_complete() -> None:
    source, known = load()
    assert "clients" in source and REFERENCE.name in source
    assert set(known) == set(KNOWN)
    for basis in known.values():
        assert basis.cpu_per_delivery and basis.event > 0


def test_a_measurement_without_figures_is_rejected() -> None:
    saved = json.loads(REFERENCE.read_text())
    for technique in saved["configurations"][0]["techniques"].values():
        technique["withheld"] = "the machine was busy"
    with pytest.raises(ValueError, match="withheld"):
        bases(saved)


def test_command_prints_advice_first_then_sources(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("advise", "--clients", "2000000", "--rate", "0.5", "--tolerate", "1000")
    out = capsys.readouterr().out
    first, *_ = out.splitlines()
    assert ":" in first and "process" in first
    assert "2,000,000 clients" in out and "measurements.json" in out and "Assumptions" in out


def test_a_million_clients_need_machines_and_shards() -> None:
    redis = RedisBasis(append=80e-6, copy=6e-6, read=30e-6)
    need = Need(10**6, rate=10, tolerated=2)
    option = next(each for each in advise(need, KNOWN).options if each.name == "sse")
    assert option.cores == pytest.approx(500, rel=1e-3)
    one = scale(need, option, 1, Machine(8, 32 * GIB, 10e9), redis)
    assert one is not None
    # 500 cores, of 8 to a machine and at 60 %; 10^7 deliveries of 216 bytes fill 2.9 networks.
    assert (one.processes, one.machines, one.scarcest, one.shards) == (834, 105, "cores", 1)
    assert one.needs["network"] == pytest.approx(10**7 * 216 * 8 / 6e9, rel=0.05)
    assert one.room_load == pytest.approx(10 * (80e-6 + 834 * 6e-6))
    # The room is full when (0.6/10 - 80 us)/6 us processes follow it.
    assert one.fits
    assert one.largest_room == pytest.approx((0.06 - 80e-6) / 6e-6 * 10**6 / 834)
    many = scale(need, option, 1_000, Machine(8, 32 * GIB, 10e9), redis)
    assert many is not None
    assert many.shards == pytest.approx(1_000 * many.room_load / 0.6, abs=1), "rooms add up"
    polling = advise(need, KNOWN).options[0]
    polls = scale(need, polling, 1, Machine(), redis)
    assert polls is not None
    assert polls.largest_room == pytest.approx(
        (0.6 - 10 * 80e-6) / (30e-6 * polling.requests / 10**6)
    )
    assert not polls.fits, "each poll reads the history"
    assert not scale(Need(10**6, 1_000, 2), option, 1, Machine(), redis).fits  # type: ignore[union-attr]


def test_redis_costs_are_separated() -> None:
    """A publish costs a part for itself, and a part for each process."""
    each = {"masters": 1, "read_each": 3e-5}
    costs = [{**each, "processes": n, "cpu_each": 80e-6 + n * 6e-6} for n in (1, 8)]
    basis = redis_basis({"costs": [*costs, {"masters": 3, "processes": 1, "cpu_each": 1}]})
    assert basis.append == pytest.approx(80e-6)
    assert basis.copy == pytest.approx(6e-6)
    assert basis.read == 3e-5
