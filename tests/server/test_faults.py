"""The fault suite: its ledgers, and a few faults in a real deployment."""

from __future__ import annotations

import argparse
import asyncio
import math
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from faults import cli
from faults.clients import Follower
from faults.deployment import ROOT, Deployment
from faults.faults import BY_NAME, FAULTS, UNDER_WAY, Fault
from faults.ledger import ClientLedger
from faults.publisher import SENDER, RetryingPublisher
from faults.resources import ResourceSample
from faults.run import account, run
from faults.soak import Soak
from faults.soak import parser as soak_parser
from faults.trend import trend
from realtime_demo.production import programs
from tests.support.program import available
from transports import client
from transports.events import Batch, Cursor, Event
from transports.registry import TECHNIQUES

BEGINNING = Cursor("s", 0)


def event(place: str, missed: int | None = -1) -> Event:
    if missed == -1:
        return Event(place, "message", "r", "feed", place, 0.0)
    return Event(place, "reset", "r", "", "", 0.0, missed=missed)


def counts(ledger: ClientLedger) -> tuple[int, int, int]:
    return ledger.lost, ledger.duplicated, ledger.out_of_order


@pytest.mark.parametrize(
    ("places", "head", "expected"),
    [
        (["se-1", "se-2", "se-3"], "se-3", (0, 0, 0)),
        (["se-1", "se-3"], "se-3", (1, 0, 0)),
        (["se-1", "se-2"], "se-5", (3, 0, 0)),
        ([], "se-2", (2, 0, 0)),
        (["se-1", "se-1", "se-2"], "se-2", (0, 1, 0)),
        (["se-2", "se-1", "se-3"], "se-3", (0, 0, 1)),
        (["se-1", "tf-1"], "tf-1", (1, 0, 0)),  # a new epoch without a reset
    ],
)
def test_a_ledger_counts_lost_and_duplicated_events(
    places: list[str], head: str, expected: tuple[int, int, int]
) -> None:
    ledger = ClientLedger(BEGINNING)
    for place in places:
        ledger.take(event(place))
    ledger.close(Cursor.parse(head))
    assert counts(ledger) == expected
    assert ledger.is_whole == (expected == (0, 0, 0))


@pytest.mark.parametrize(
    ("reset", "lost"),
    [
        (event("se-5", missed=4), 0),  # exactly what is missing
        (event("se-5", missed=3), 1),
        (event("se-5", missed=6), 2),
        (event("tf-5", missed=None), 0),  # another epoch: the number is unknown
        (event("se-5", missed=None), 4),  # the same epoch: the number is known
    ],
)
def test_a_reset_must_count_missed_events_exactly(reset: Event, lost: int) -> None:
    ledger = ClientLedger(BEGINNING)
    ledger.take(event("se-1"))
    ledger.take(reset)
    epoch = reset.cursor.epoch
    ledger.take(event(f"{epoch}-6"))
    ledger.close(Cursor(epoch, 6))
    assert counts(ledger) == (lost, 0, 0)
    assert (ledger.resets, ledger.uncounted) == (1, reset.missed is None)
    assert ledger.missed == (reset.missed or 0)


def test_a_reset_to_a_new_epoch_hides_no_loss() -> None:
    """A reset without a count does not excuse events that the history still has."""
    history = [feed_event(f"tf-{number}") for number in (1, 2, 3)]
    follower = Follower(TECHNIQUES[0], "", "r", BEGINNING)
    for received in (feed_event("se-1"), event("tf-2", missed=None), history[2]):
        follower.ledger.take(received)
        follower.arrivals.append((1.0, received))
    publisher = RetryingPublisher("", "r", 1.0, first_attempts={"tf-3": 0.5})
    batch = Batch("r", history[2].cursor, tuple(history))
    flushed = BY_NAME["redis-flushed"]
    (row,) = account(flushed, [follower], publisher, batch, 0.0, [], []).rows
    assert (row.lost, row.duplicated, row.resets) == (2, 0, 1)


def feed_event(place: str) -> Event:
    """Return an event of the feed whose text is its cursor."""
    return Event(place, "message", "r", SENDER, place, 0.0)


def test_a_trend_is_flat_only_with_evidence() -> None:
    def noisy(slope: float) -> list[tuple[float, float]]:
        """Return an hour of samples, one every ten seconds, with noise of amplitude one."""
        return [(t, 100 + slope * t / 3600 + math.sin(t * 12.9)) for t in range(0, 3600, 10)]

    assert trend(noisy(0), tolerance=2).verdict == "flat"
    assert trend(noisy(10), tolerance=2).verdict == "grows"
    assert trend(noisy(-10), tolerance=2).verdict == "shrinks"
    assert trend(noisy(0), tolerance=0.001).verdict == "unknown", (
        "without evidence, the trend is not flat"
    )
    growth = trend(noisy(5), tolerance=2)
    assert growth.slope - growth.margin < 5 < growth.slope + growth.margin
    assert trend([(0, 1), (1, 2)], tolerance=2).verdict == "unknown"


def test_a_soak_without_deliveries_fails() -> None:
    soak = Soak(1.0, 1.0, 1)
    assert not soak.holds
    soak.totals["delivered"] = 1
    soak.at_rest["server-0"] = [ResourceSample(0.0)]
    assert soak.holds
    soak.totals["lost"] = 1
    assert not soak.holds


@pytest.mark.parametrize("quantity", ["memory", "descriptors"])
@pytest.mark.parametrize("minutes", [59.0, 60.0])
def test_growth_fails_a_soak(minutes: float, quantity: str) -> None:
    """Growing descriptors fail any soak; growing memory, a soak of an hour or more."""
    soak = Soak(minutes, 1.0, 1)
    soak.totals["delivered"] = 1
    samples = [ResourceSample(at, **{quantity: at}) for at in range(0, int(minutes * 60), 10)]
    soak.samples["redis"] = soak.at_rest["redis"] = samples
    assert soak.holds is (quantity == "memory" and minutes < 60)


@pytest.mark.parametrize(
    ("parser", "option", "least"),
    [
        (cli.parser(), "--clients", "1"),
        (cli.parser(), "--rate", "0.01"),
        (soak_parser(), "--clients", "1"),
        (soak_parser(), "--minutes", "0.5"),
    ],
)
def test_invalid_options_are_rejected(
    parser: argparse.ArgumentParser, option: str, least: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parser.parse_args([option, least])
    for invalid in ("0", "-1", "nan", "inf", "x"):
        with pytest.raises(SystemExit):
            parser.parse_args([option, invalid])
        assert option in capsys.readouterr().err


def test_every_fault_is_explained() -> None:
    text = " ".join((ROOT / "docs" / "faults.md").read_text().split())
    for fault in FAULTS:
        assert f"**{fault.title}**: {fault.description}" in text


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clock") / "clock"
    path.write_bytes(struct.pack("d", 0.0))
    return path


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, clock: Path) -> Iterator[Deployment]:
    for find in (programs.nginx, programs.redis_server):
        available(find)
    env = {"PYTHONPATH": str(ROOT / "faults" / "clock"), "REALTIME_CLOCK": str(clock)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", "")  # so that it is restored
        with Deployment(tmp_path_factory.mktemp("deployment"), env=env) as running:
            yield running
    client.default_tls.cache_clear()


@pytest.mark.own_server
@pytest.mark.redis
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", [fault.name for fault in FAULTS if fault.in_short])
def test_clients_survive_a_fault(name: str, deployment: Deployment, clock: Path) -> None:
    # In a loop of its own, which no client may outlive.
    outcome = asyncio.run(run(BY_NAME[name], deployment, clock, clients=1, rate=10, calm=0.5))
    # A busy machine may recover slowly.
    assert [text for text in outcome.complaints if "to recover" not in text] == []
    assert all(row.delivered for row in outcome.rows)


@pytest.mark.own_server
@pytest.mark.redis
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (replace(BY_NAME["layer-overflows"], env={}), "the layer dropped nothing"),
        (replace(BY_NAME["clients-stall"], tapped=False), "events crossed stalled connections"),
    ],
    ids=["no overflow", "no stall"],
)
def test_a_fault_that_does_not_occur_fails_the_run(
    fault: Fault,
    complaint: str,
    deployment: Deployment,
    clock: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("faults.faults.PAUSE", UNDER_WAY + 2)
    outcome = asyncio.run(run(fault, deployment, clock, clients=1, rate=10, calm=0.5))
    assert all(row.is_whole for row in outcome.rows)
    assert any(complaint in text for text in outcome.complaints)
