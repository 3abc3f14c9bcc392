"""The results as one table, for the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from benchmarks import publishing
from benchmarks.contestants import BASELINE, CONTESTANTS, Contestant
from benchmarks.results import (
    BURST,
    FLAT_OUT,
    KIB,
    LIMITED_LOAD,
    MIB,
    PUBLISH,
    STEADY_LOAD,
    Results,
)
from benchmarks.scenarios import Fanout, IdleCost, OneToOne, Polls, Run, Stalled
from realtime_demo.comparison.output.tables import Table
from realtime_demo.comparison.output.terminal import render

LATE = 1.2  # mean events received at a time, above which a fixed-rate figure is marked
TIMES = "\N{MULTIPLICATION SIGN}"
COLUMNS = (
    "",
    f"{STEADY_LOAD}, ms",
    f"{LIMITED_LOAD}, ms",
    TIMES,
    f"{FLAT_OUT}, /s",
    f"{BURST}, /s",
    f"{PUBLISH}, /s",
    "one to one, ms",
    "empty poll, ms",
    "idle, KiB",
    "unread, MiB",
)
CAPTION = (
    "ms: server CPU milliseconds per 1,000 deliveries (per 1,000 polls). /s: deliveries (publishes "
    f"to one subscriber) in a second of server CPU. {TIMES}: how many times cheaper than the "
    "tutorial. one to one: median time from a publish to the receipt by one subscriber. idle: "
    "resident memory for each idle connection. unread: growth of memory with a client that does "
    "not read. *: late, several events at a time."
)


def show(results: Results, console: Console) -> None:
    """Print the table and the limits."""
    table = Table("What a delivery costs", COLUMNS, notes=[CAPTION])
    for row in rows(results):
        table.add(*row)
    console.print(render(console, table))
    for limit in results.limits:
        mark = "[green]met[/green]    " if limit.is_met else "[bold red]NOT MET[/bold red]"
        console.print(f"{mark}  {limit.requirement}  [bold]{limit.measured}[/bold]")


def markdown(results: Results) -> str:
    """Return the table in Markdown, with its caption."""
    return f"{publishing.markdown(COLUMNS, rows(results))}\n{CAPTION}\n"


def rows(results: Results) -> Iterable[tuple[str, ...]]:
    """Return a row of strings for each measured contestant."""
    measured = {run.contestant for run in results.runs}
    return [_row(results, each) for each in CONTESTANTS if each.name in measured]


def _row(results: Results, contestant: Contestant) -> tuple[str, ...]:
    own = Results([run for run in results.runs if run.contestant == contestant.name])
    loads = {run.load.name: run for run in own.of(Fanout)}
    return (
        contestant.label,
        _cost(loads.get(STEADY_LOAD)),
        _cost(loads.get(LIMITED_LOAD)),
        _times(results, contestant),
        *(_capacity(loads.get(name)) for name in (FLAT_OUT, BURST, PUBLISH)),
        "".join(_problem(run) or f"{run.median * 1000:.2f}" for run in own.of(OneToOne)),
        "".join(f"{run.cost:.0f}" for run in own.of(Polls)),
        "".join(_problem(run) or f"{run.resident / KIB:.1f}" for run in own.of(IdleCost)),
        "".join(_problem(run) or f"{run.growth / MIB:.1f}" for run in own.of(Stalled)),
    )


def _cost(run: Fanout | None) -> str:
    if run is None:
        return ""
    return _problem(run) or f"{run.cost:.1f}{' *' if run.at_a_time > LATE else ''}"


def _capacity(run: Fanout | None) -> str:
    return "" if run is None else _problem(run) or f"{run.capacity:,.0f}"


def _times(results: Results, contestant: Contestant) -> str:
    run, baseline = (results.fanout_of(each.name, LIMITED_LOAD) for each in (contestant, BASELINE))
    return f"{baseline.cost / run.cost:.1f}" if run and baseline and run is not baseline else ""


def _problem(run: Run) -> str:
    """Return why the run is invalid, briefly; empty if it is valid."""
    ledger = run.ledger
    if ledger.lost:
        return f"{ledger.lost / ledger.expected:.0%} lost"
    return "" if run.valid else run.failures[0] if run.failures else str(ledger)
