"""The papers' tables of the comparison, from constructed measurements."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from rich.console import Console

from realtime_demo.comparison.output.terminal import render
from realtime_demo.comparison.papers import PAPERS, late_shares, overhead, table
from realtime_demo.comparison.results import Configuration, Cost, Measurement
from realtime_demo.comparison.theory import NetworkPath, Sizes, predict
from tests.unit.test_comparison_rounds import a_round


def measured(name: str, technique: str, cost: Cost, delay: float = 0.1) -> Measurement:
    """Return a measurement of the paper's workload, with `cost`."""
    workload = PAPERS[name].settings.workload
    sizes = Sizes(up=200.0, down=150.0, event=150.0)
    return replace(
        a_round([delay] * 20),
        name=technique,
        technique=technique,
        cost=cost,
        event_bytes=130.0,
        prediction=predict(technique, workload, NetworkPath(), sizes),
    )


def rows_of(name: str, *measurements: Measurement) -> dict[str, list[str]]:
    """Return the table's rows by their first cell: paper, theory, measured."""
    rows = table(name, Configuration(PAPERS[name].settings, measurements)).rows
    return {first.text: [cell.text for cell in rest] for first, *rest in rows}


def test_the_bytes_of_a_paper_are_per_client_and_second() -> None:
    """Two clients, 10 s, 10 events each: 20 deliveries of 130 bytes."""
    cost = Cost(10.0, 20, 20, 20, 0, up=4_000, down=5_600)
    polling = measured("lubbers2010", "polling", cost)
    socket = measured("lubbers2010", "websocket", replace(cost, up=0, down=2_700))
    assert overhead(polling)[1] == pytest.approx((9_600 - 2_600) / 10 / 2)
    rows = rows_of("lubbers2010", polling, socket)
    assert rows["Polling: overhead of one client, bytes a second"] == ["871", "370", "350"]
    assert rows["WebSocket: overhead of one client, bytes a second"][2] == "5"
    assert rows["Polling: Mbit/s for 100,000 clients"][0] == "665"
    assert rows["WebSocket: Mbit/s for 1,000 clients"][0] == "0.0153"


def test_bytes_without_a_tap_are_unknown() -> None:
    cost = Cost(10.0, 20, 20)
    rows = rows_of("lubbers2010", measured("lubbers2010", "polling", cost))
    assert {row[2] for row in rows.values()} == {"\N{EN DASH}"}


def test_events_after_the_next_publish_are_late() -> None:
    cost = Cost(10.0, 20, 20, cpu=2.0)
    on_time = measured("bozdag2007", "polling", cost, delay=0.9)
    assert late_shares(on_time, 1.0)[1] == 0.0
    too_late = measured("bozdag2007", "polling", cost, delay=1.1)
    assert late_shares(too_late, 1.0) == pytest.approx((2 / 3, 1.0)), "of an interval of 3 s"
    push = [
        measured("bozdag2007", each, replace(cost, cpu=1.0)) for each in ("longpoll", "streaming")
    ]
    rows = rows_of("bozdag2007", too_late, *push)
    assert rows["Polling: deliveries after the next publish"][1:] == ["67%", "100%"]
    assert rows["Streaming: server CPU, as a multiple of polling's"][2] == "0.5"


def test_delays_are_predicted_and_measured() -> None:
    cost = Cost(10.0, 20, 20)
    (row,) = rows_of("pimentel2012", measured("pimentel2012", "polling", cost)).values()
    assert row == ["\N{EN DASH}", "125", "100"], "half an interval; the paper's are not at hand"
    (note,) = table("pimentel2012", Configuration(PAPERS["pimentel2012"].settings, ())).notes[1:]
    assert note.startswith("The paper's own figures are not at hand")


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_is_predictable_and_names_its_omissions(name: str) -> None:
    PAPERS[name].settings.check_predictable()
    console = Console(width=100, record=True, file=None)
    cost = Cost(10.0, 20, 20, cpu=1.0)
    measurements = tuple(measured(name, each, cost) for each in PAPERS[name].settings.techniques)
    with console.capture() as capture:
        console.print(
            render(console, table(name, Configuration(PAPERS[name].settings, measurements)))
        )
    printed = " ".join(capture.get().split())
    assert PAPERS[name].link in printed
    assert re.search("left out", printed)


def test_a_paper_chooses_the_techniques() -> None:
    with pytest.raises(CommandError, match="--paper chooses the workload; also got --techniques"):
        call_command("compare", "--paper", "lubbers2010", "--techniques", "sse")
