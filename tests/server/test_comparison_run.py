"""Complete runs of the comparison, over real servers and worker processes."""

from __future__ import annotations

import asyncio
import csv
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realtime_demo.comparison.measurement import MeasurementFailed
from realtime_demo.comparison.output import json_csv as document
from realtime_demo.comparison.plan import Plan, Settings
from realtime_demo.comparison.results import Ledger, Measurement, Result, Sample, Sent
from realtime_demo.comparison.runner import run
from realtime_demo.comparison.selfcheck import TRIAL, self_check
from realtime_demo.comparison.server import ServerFailed
from realtime_demo.ports import free_port
from tests.support import broken_server, skewed_server
from tests.support.live import LiveServer
from tests.support.raw_server import serving_at
from tests.support.waiting import repeated_after_a_stall

pytestmark = pytest.mark.timeout(180)


SHORT = Settings(clients=2, rate=20, duration=1, rounds=1, warmup=0.2, together=True)


def by_technique(result: Result) -> dict[str, Measurement]:
    return {each.technique: each for each in result.configurations[0].measurements}


@repeated_after_a_stall(0.3)
async def test_faults_of_a_server_are_detected() -> None:
    """Drop every 50th event, duplicate every 70th, and delay one technique by 30 ms."""
    techniques = ("streaming", "sse", "websocket", "polling")
    settings = replace(
        SHORT, techniques=techniques, rate=60, arrivals="fixed", duration=3, interval=0.3
    )
    result = await run(Plan((settings,), application="tests.support.broken_server:application"))
    measurements = by_technique(result)
    assert not result.complete
    for measurement in measurements.values():
        seqs = [event.seq for event in measurement.sent]
        dropped = [seq for seq in seqs if seq % broken_server.DROPPED == 0]
        duplicated = [
            seq for seq in seqs if seq % broken_server.DUPLICATED == 0 and seq not in dropped
        ]
        assert len(dropped) >= 3 and len(duplicated) >= 2, "the window has faults"
        ledger = measurement.ledger
        assert ledger.sent == len(seqs) * settings.clients
        assert ledger.lost == len(dropped) * settings.clients
        assert ledger.duplicated == len(duplicated) * settings.clients
        assert ledger.out_of_order == 0
    late = measurements["sse"]
    assert min(late.delays()) >= broken_server.LATE
    assert measurements["websocket"].published.p50 < late.published.p50
    (mean_delay,) = [check for check in late.comparison() if check.name == "mean delay"]
    assert not mean_delay.consistent


@repeated_after_a_stall(0.3)
async def test_every_technique_is_complete() -> None:
    techniques = (*Settings().techniques, "websocket-sync")
    settings = replace(
        SHORT, techniques=techniques, clients=3, duration=4, rounds=2, interval=0.25, rtt=0.02
    )
    result = await run(Plan((settings,)))
    measurements = by_technique(result)
    assert result.complete
    for name, measurement in measurements.items():
        assert measurement.ledger.received == len(measurement.sent) * 3 > 0
        assert min(measurement.delays()) >= 0.0085, "no event is faster than the network"
        assert measurement.intended.p50 >= measurement.actual.p50
        assert measurement.rounds == settings.rounds
        assert measurement.request > 0
        assert measurement.cost.reconnects == 0
        assert measurement.cost.connections == 3
        assert measurement.generator.errors == measurement.generator.failures == ()
        is_polled = name in ("polling", "longpoll")
        assert bool(measurement.cost.requests) == is_polled
        down = next(c for c in measurement.comparison() if c.name == "bytes down/event")
        assert is_polled or down.agrees, down
    assert measurements["polling"].prediction.delay.longest > measurements["polling"].published.p50

    # The ledger can be recomputed from the saved result.
    saved = json.loads(json.dumps(document.document(result)))
    configuration = saved["configurations"][0]
    assert Settings.from_document(configuration["settings"]) == settings
    for measured in configuration["techniques"].values():
        sent = [Sent(**event) for event in measured["events"]]
        samples = [Sample(*sample) for sample in measured["samples"]]
        recomputed = Ledger.of(sent, samples, settings.clients)
        ledger = measured["ledger"]
        former_names = (ledger.pop("doubled"), ledger.pop("disordered"))
        assert former_names == (ledger["duplicated"], ledger["out_of_order"])
        assert recomputed == Ledger(**ledger)


async def test_adapters_measure_other_endpoints() -> None:
    """Measure our endpoints only by path, framing and publish URL."""
    paths = {
        "polling": "/polling/{room}/",
        "longpoll": "/longpoll/{room}/",
        "streaming": "/streaming/{room}/",
        "sse": "/streaming/{room}/sse/",
        "websocket": "/websocket/{room}/",
    }
    techniques = tuple(f"{framing}={path}" for framing, path in paths.items())
    settings = replace(SHORT, techniques=techniques, interval=0.2)
    with LiveServer() as server:
        result = await run(Plan((settings,), server=server.url, publish_path="/publish/{room}/"))
        measurements = result.configurations[0].measurements
        assert result.complete and result.same_host
        assert [measurement.technique for measurement in measurements] == list(paths)
        assert all(math.isnan(measurement.cost.cpu) for measurement in measurements), (
            "the server is not a process of the run"
        )


async def test_a_remote_servers_clock_offset_is_measured() -> None:
    """A non-loopback address counts as remote; there is no tap, as with TLS."""
    settings = replace(SHORT, techniques=("longpoll", "sse"), duration=0.5)
    with LiveServer(
        "tests.support.skewed_server:application", env={"ALLOWED_HOSTS": "0.0.0.0"}
    ) as server:
        elsewhere = server.url.replace("127.0.0.1", "0.0.0.0")
        result = await run(Plan((settings,), server=elsewhere, tapped=False))
    assert result.complete and not result.same_host
    assert 0 < result.clock_uncertainty < 1
    assert abs(result.clock_offset - skewed_server.AHEAD) <= result.clock_uncertainty
    for measurement in result.configurations[0].measurements:
        assert math.isnan(measurement.cost.requests)
        assert -result.clock_uncertainty <= min(measurement.delays()) < skewed_server.AHEAD / 2


async def test_missing_room_and_server_are_reported() -> None:
    settings = Settings(techniques=("sse=/nowhere/{room}/",), duration=1, clients=1)
    with LiveServer() as server, pytest.raises(MeasurementFailed, match="404"):
        await run(Plan((settings,), server=server.url, tapped=True))
    with pytest.raises(ServerFailed, match="nothing_of_the_kind"):
        await run(Plan((settings,), application="tests.nothing_of_the_kind:application"))


async def test_the_server_of_the_setting_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.SERVER", "daphne")
    settings = Settings(techniques=("sse",), duration=1, clients=1, rate=10)
    result = await run(Plan((settings,)))
    assert result.complete
    assert result.server.startswith("daphne 4.")


async def test_unknown_server_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.SERVER", "bogus")
    with pytest.raises(ServerFailed, match="uvicorn, daphne, hypercorn, granian; got 'bogus'"):
        await run(Plan((Settings(techniques=("sse",), clients=1),)))


async def test_unreachable_server_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerFailed, match=f"at {address} cannot be reached: .*Errno"):
        await run(Plan((Settings(techniques=("sse",), clients=1),), server=address))
    monkeypatch.setattr("realtime_demo.comparison.runner.CONNECT_TIMEOUT", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # to the end, without a response

    async with serving_at(silent) as address:
        with pytest.raises(
            MeasurementFailed, match=f"{address} sent no response to sse, polling within"
        ):
            await run(Plan((Settings(techniques=("sse", "polling"), clients=1),), server=address))


@repeated_after_a_stall(0.1)
async def test_self_check_measures_an_added_delay() -> None:
    trial = replace(TRIAL, techniques=("websocket",), rounds=1, duration=0.8, rtt=0.2)
    (added,), http_cpu = await self_check(trial)
    assert 0 < http_cpu["lean"] < http_cpu["httpx"]
    assert added.later.count >= 8 and added.minimal > 0
    assert added.tool - added.minimal > 0.05 and not added.within, (
        "the tool's client has 100 ms more"
    )
    assert added.later.low > 0.05


def test_command_prints_and_writes_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: str(tmp_path / f"out.{name}") for name in ("json", "csv", "html")}
    call_command(
        "compare",
        *("--techniques", "websocket,polling", "--sweep", "interval=0.1,0.3", "--together"),
        *("--duration", "1.5", "--rounds", "1", "--warmup", "0.2", "--clients", "2"),
        *("--rate", "20", "--rtt", "10"),
        *("--json", files["json"], "--csv", files["csv"], "--report", files["html"]),
    )
    printed = capsys.readouterr().out
    for word in ("Ledger", "WebSocket", "Polling", "rtt 10 ms"):
        assert word in printed
    saved: dict[str, Any] = json.loads(Path(files["json"]).read_text())
    assert [each["settings"]["interval"] for each in saved["configurations"]] == [0.1, 0.3]
    assert saved["complete"] is True and saved["environment"]["packages"]["Django"]
    rows = csv.DictReader(Path(files["csv"]).read_text().splitlines())
    written = [(row["technique"], row["lost"]) for row in rows]
    assert written == [("websocket", "0"), ("polling", "0")] * 2
    page = Path(files["html"]).read_text()
    assert "<script" not in page and not re.search(r"(src|href)=|url\(|@import", page)
    assert "Findings" in page and "prefers-color-scheme" in page
    # A chart for each figure that was not withheld, which depends on the machine.
    drawn = sum(
        technique["withheld"] is None
        for configuration in saved["configurations"]
        for technique in configuration["techniques"].values()
    )
    assert ("Predicted and measured" in printed) == bool(drawn)
    assert page.count('aria-label="Mean delay against polling interval"') == 1
    assert page.count("share of events within a delay</text>") == drawn


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "5", "--together"], "also got rate, together"),
        (["--scenario", "chat"], "also got scenario"),
        (["--techniques", "sse", "--adapter", "sse=/x/"], "also got techniques, adapter"),
    ],
)
def test_rerun_rejects_other_settings(tmp_path: Path, arguments: list[str], words: str) -> None:
    (file := tmp_path / "saved.json").write_text(
        json.dumps({"configurations": [{"settings": Settings().document()}]})
    )
    with pytest.raises(CommandError, match=words):
        call_command("compare", "--rerun", str(file), *arguments)
