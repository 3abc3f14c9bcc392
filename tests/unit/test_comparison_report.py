"""Findings and layout of a report, from constructed measurements."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from django.utils import translation
from rich.cells import cell_len
from rich.console import Console

from realtime_demo.comparison.advice import Need, advise, load
from realtime_demo.comparison.output import json_csv as document
from realtime_demo.comparison.output.charts import LEFT, RIGHT, WIDTH
from realtime_demo.comparison.output.findings import findings
from realtime_demo.comparison.output.html import SWEEP_TITLES, page
from realtime_demo.comparison.output.tables import Table, delays, figure, tables
from realtime_demo.comparison.output.terminal import render, show
from realtime_demo.comparison.plan import COMPARED, SWEPT, Plan, Settings
from realtime_demo.comparison.results import Configuration, EventProbe, Idle, Measurement, Result
from realtime_demo.comparison.simulation import Simulated
from realtime_demo.comparison.theory import Sizes
from realtime_demo.management.commands import advise as advise_command
from tests.unit.test_comparison_rounds import SETTINGS, a_round

ENVIRONMENT = {
    "system": "Linux",
    "processor": "one",
    "cores": 2,
    "python": "3",
    "packages": {},
    "load": 0.0,
}


def result_of(*configurations: tuple[Settings, Measurement], swept: str | None = None) -> Result:
    plan = Plan(tuple(settings for settings, _ in configurations), swept=swept)
    configured = tuple(
        Configuration(settings, (measurement,)) for settings, measurement in configurations
    )
    return Result(plan, "2026-11-22", ENVIRONMENT, "local", True, 0.0, 0.0, configured)


def crowded(seconds: float) -> Measurement:
    """Return a measurement whose clients take `seconds` for an event, one after another."""
    return replace(a_round([0.01] * 20), event_probe=EventProbe(server=0.001, clients=seconds))


def test_only_the_worst_crowding_is_a_finding() -> None:
    """A sweep must not repeat the same finding for each configuration."""
    few, many = (replace(SETTINGS, clients=clients) for clients in (20, 60))
    texts = findings(result_of((few, crowded(0.02)), (many, crowded(0.03))))
    (text,) = [text for text in texts if "wait" in text]
    assert text.startswith("At 60 clients, 10 events/s") and "1 more configuration has" in text
    alone = findings(result_of((few, crowded(0.02)), (many, crowded(0.0))))
    (text,) = [text for text in alone if "wait" in text]
    assert text.startswith("At 20 clients") and "more configurations" not in text


def test_rejected_events_make_a_run_incomplete() -> None:
    text = findings(result_of((SETTINGS, a_round([0.5] * 20, refused=7))))[0]
    assert text.startswith("NOT complete") and "rejected 14 of 54" in text
    assert findings(result_of((SETTINGS, a_round([0.5] * 20))))[0].startswith("Complete: all 40")


def test_findings_of_a_sweep_name_the_configuration() -> None:
    both = (a_round([0.5] * 20), replace(a_round([0.1] * 20), name="sse", technique="sse"))
    few, many = (replace(SETTINGS, clients=clients) for clients in (2, 60))
    result = result_of((few, both[0]), (many, both[0]))
    swept = tuple(Configuration(settings, both) for settings in (few, many))
    texts = findings(replace(result, configurations=swept))
    (lowest,) = [text for text in texts if "lowest median" in text]
    assert lowest.startswith("At 2 clients, 10 events/s") and "Server-Sent Events had" in lowest
    for same in (swept[:1], swept[:1] * 3):  # the latter with --repeat
        texts = findings(replace(result, configurations=same))
        assert any(text.startswith("Server-Sent Events had the lowest") for text in texts)


def test_disagreement_names_its_configuration() -> None:
    late = replace(a_round([5.0] * 20), simulated=Simulated())
    few, many = (replace(SETTINGS, clients=clients) for clients in (2, 60))
    texts = findings(result_of((few, a_round([0.5] * 20)), (many, late)))
    assert any(
        text.startswith("Theory disagrees: Polling, ") and "at 60 clients" in text for text in texts
    ), texts


def test_long_table_splits_between_techniques() -> None:
    alone = a_round([0.05 * k for k in range(1, 21)])
    html = page(result_of((SETTINGS, alone), swept="interval"))
    assert 'class="whole"><caption>Predicted' in html
    both = replace(alone, name="longpoll")
    plan = Plan((SETTINGS,), swept="interval")
    configuration = Configuration(SETTINGS, (alone, both))
    result = replace(result_of((SETTINGS, alone)), plan=plan, configurations=(configuration,))
    html = page(result)
    predicted = html.rpartition("<table")[2]
    assert 'class="whole"><caption>Ledger' in html
    assert not predicted.startswith(' class="whole"'), "otherwise half a page is blank"
    assert predicted.count("<tbody>") == 2, "a technique's rows stay together"
    assert "polling interval in s</text>" in html


def test_curves_reach_both_edges_of_the_chart() -> None:
    simulated = Simulated(tuple(0.0005 * k for k in range(1, 21)))
    late = replace(a_round([0.4 + 0.001 * k for k in range(1, 21)]), simulated=simulated)
    html = page(result_of((SETTINGS, late)))
    paths = re.findall(r'class="line [^"]+" d="M([^"]+)"', html)[-2:]
    ends = {path.split("L")[-1].split(",")[0] for path in paths}
    assert len(ends) == 1 and float(ends.pop()) > (WIDTH - RIGHT) * 0.95
    assert all(path.startswith(f"{LEFT}.0,") for path in paths)


def test_bytes_tolerate_one_ping_per_round() -> None:
    socket = replace(a_round([0.01] * 5), technique="websocket", sizes=Sizes(ping_up=28.0))
    for pings, consistent in ((0, True), (1, True), (2, True), (5, False)):
        cost = replace(socket.cost, up=28 * pings * 2)
        expected = replace(socket.prediction, up_per_event=28 / 5)
        checks = replace(socket, cost=cost, prediction=expected).comparison()
        (bytes_up,) = [check for check in checks if check.name == "bytes up/event"]
        assert bytes_up.consistent == consistent, bytes_up


def test_empty_share_tolerates_one_request() -> None:
    """The window's edges may cut one of each client's 200 requests: two of 400."""
    measured = replace(a_round([0.5] * 5), simulated=Simulated())
    expected = replace(measured.prediction, empty_share=0.0)
    for empty, agrees in ((0, True), (2, True), (3, False), (6, False)):
        cost = replace(measured.cost, requests=400, empty=empty)
        checks = replace(measured, cost=cost, prediction=expected).comparison()
        (empty_share,) = [check for check in checks if check.name == "empty share"]
        assert empty_share.agrees == agrees, empty_share


def test_every_swept_setting_has_titles() -> None:
    assert SWEEP_TITLES.keys() == SWEPT.keys()


@pytest.mark.parametrize(
    ("value", "text"), [(0.00002, "0"), (0.0007, "0.0007"), (-0.25, "-0.25"), (1234.5, "1,234")]
)
def test_a_figure_has_no_exponent(value: float, text: str) -> None:
    assert figure(value) == text


def test_percentiles_of_few_events_are_null() -> None:
    """20 events have no 99th percentile, in JSON and CSV, despite 40 deliveries."""
    result = result_of((SETTINGS, a_round([0.5 + 0.01 * k for k in range(20)])))
    (saved,) = document.document(result)["configurations"][0]["techniques"].values()
    (row,) = csv.DictReader(document.as_csv(result).splitlines())
    for origin, prefix in (("intended", ""), ("published", "from_published_")):
        delay = saved["delay"][origin]
        assert delay["p90"] == pytest.approx(0.67) and float(row[f"{prefix}p90"]) > 0
        assert (delay["p99"], delay["p999"]) == (None, None)
        assert (row[f"{prefix}p99"], row[f"{prefix}p999"]) == ("", "")


def test_charts_name_techniques_despite_withheld_figures() -> None:
    """On a busy machine, the first or last configuration may have no figures."""
    measured = replace(a_round([0.5] * 20), name="longpoll")
    busy = replace(measured, generator=replace(measured.generator, publisher_busy=0.99))
    few, many = (replace(SETTINGS, clients=clients) for clients in (2, 60))
    for order in ([(few, busy), (many, measured)], [(few, measured), (many, busy)]):
        html = page(result_of(*order))
        growth = html.split('aria-label="Growth with clients"')[1].split("</svg>")[0]
        trade = html.split('aria-label="Delay against overhead"')[1].split("</svg>")[0]
        assert growth.count(">Long polling<") == trade.count(">Long polling<") == 1
        assert growth.count("<circle") == growth.count("<path") == 1
        assert html.count("Delay from the publication at the server</h3>") == 1
        assert html.count("withheld: see below") == (order[0][1] is busy)


def test_a_narrow_terminal_cuts_no_word() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        show(console, result_of((SETTINGS, a_round([0.01] * 200))))
    assert "…" not in capture.get()


def test_unknown_figures_are_explained() -> None:
    few = delays(result_of((SETTINGS, a_round([0.01] * 20))).configurations[0])
    assert "p99" not in few.columns and "p99.9" not in few.columns
    assert few.notes == [
        "p99: needs 100 events of each technique",
        "p99.9: needs 1,000 events of each technique",
    ]
    assert all(len(row) == len(few.columns) for row in few.rows)


WIDTHS = (80, 100)


def words_of(table: Table) -> set[str]:
    headers = {word for column in table.columns for word in column.split()}
    return headers | {word for row in table.rows for cell in row for word in cell.text.split()}


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("width", WIDTHS)
def test_tables_of_a_terminal_cut_no_word(width: int, language: str) -> None:
    """Korean characters are two cells wide."""
    measured = tuple(
        replace(
            a_round([0.05 * k for k in range(1, 21)]),
            name=name,
            technique=name,
            idle=Idle(1234.5, 1234.5, 60),
        )
        for name in COMPARED
    )
    _, known = load()
    with translation.override(language):
        printed = [
            *tables(Configuration(SETTINGS, measured)),
            advise_command.costs(advise(Need(1_000_000, 50, 1.0), known)),
        ]
        for table in printed:
            console = Console(width=width, file=io.StringIO(), force_terminal=False)
            console.print(render(console, table))
            lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
            assert max(map(cell_len, lines)) <= width
            missing = {word for word in words_of(table) if word not in " ".join(lines)}
            assert not missing, table.title


def test_the_report_is_in_the_chosen_language() -> None:
    result = result_of((SETTINGS, a_round([0.05 * k for k in range(1, 21)])))
    with translation.override("ko"):
        html = page(result)
    assert '<html lang="ko">' in html
    texts = re.findall(r"<(?:h2|h3|caption|li|figcaption|dt)>([^<]+)<", html)
    assert texts and all(re.search("[가-힣]", text) for text in texts), texts
