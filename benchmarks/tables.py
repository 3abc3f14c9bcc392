"""The results as tables, with ratios to the baseline of the same run."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from benchmarks.contestants import BASELINE, CONTESTANT
from benchmarks.fanout import Fanout
from benchmarks.results import KIB, MIB, Results
from benchmarks.servers import OURS

LATE = 1.2  # events received at a time, at a fixed rate
INVALID = "[red]{}[/red]"
TIMES = "\N{MULTIPLICATION SIGN}"


def show(results: Results, console: Console) -> None:
    """Print a table for each scenario that was run, and the numbers to hold."""
    for table in tables(results):
        console.print(table)
    for hold in results.holds:
        mark = "[green]held[/green]    " if hold.held else "[bold red]NOT HELD[/bold red]"
        console.print(f"{mark}  {hold.what}  [bold]{hold.found}[/bold]")


def tables(results: Results) -> Iterator[Table]:
    if results.fanout:
        yield _fanout(results)
    if results.polls:
        yield _polls(results)
    if results.idle:
        yield _idle(results)
    if results.stalled:
        yield _stalled(results)


def _fanout(results: Results) -> Table:
    table = Table(
        title="A delivery: server CPU ms per 1,000; flat out: deliveries in a second of CPU",
        caption=f"{TIMES}: how many times better than the tutorial, in this run. "
        "*: late, several events at a time.",
    )
    table.add_column("subscribers, events", no_wrap=True)
    loads = list({run.load.name: run.load for run in results.fanout}.values())
    for load in loads:
        table.add_column(load.label, justify="right")
        table.add_column(TIMES, justify="right", style="dim")
    for name in dict.fromkeys(run.contestant for run in results.fanout):
        row = [CONTESTANT[name].label]
        for run in results.fanout:
            if run.contestant == name:
                row += _figure(run, results.fanout_of(BASELINE.name, run.load.name))
        table.add_row(*row, style="dim" if name == BASELINE.name else "")
    return table


def _figure(run: Fanout, baseline: Fanout | None) -> tuple[str, str]:
    if not run.valid:
        return INVALID.format(run.failures[0] if run.failures else run.ledger), ""
    if run.load.rate is None:
        figure = f"{run.capacity:,.0f}"
        ratio = run.capacity / baseline.capacity if baseline else None
    else:
        figure = f"{run.cost:.1f}{'*' if run.at_a_time > LATE else ''}"
        ratio = baseline.cost / run.cost if baseline else None
    return figure, "" if ratio is None or run is baseline else f"{ratio:.1f}"


def _polls(results: Results) -> Table:
    table = Table("", title="An empty poll: server CPU ms per 1,000")
    table.add_column("CPU ms", justify="right")
    table.add_column(TIMES, justify="right", style="dim")
    first = results.polls[0]
    for run in results.polls:
        ratio = "" if run is first else f"{first.cost / run.cost:.1f}"
        table.add_row(run.label, f"{run.cost:.0f}", ratio)
    return table


def _idle(results: Results) -> Table:
    table = Table("", title="A connection on which nothing happens: memory for each")
    for column in ("open", "resident KiB", "unshared KiB", "threads in all"):
        table.add_column(column, justify="right")
    for run in results.idle:
        label = CONTESTANT[run.contestant].label
        if run.valid:
            memory = (f"{run.resident / KIB:.1f}", f"{run.unshared / KIB:.1f}")
            table.add_row(label, f"{run.connections:,}", *memory, str(run.threads))
        else:
            table.add_row(label, INVALID.format(run.failures[0] if run.failures else run.ledger))
    return table


def _stalled(results: Results) -> Table:
    table = Table("", title="A client that never reads: growth of the server's memory")
    for column in ("sent to it, MiB", "this server, MiB", "plain Daphne, MiB"):
        table.add_column(column, justify="right")
    for name in dict.fromkeys(run.contestant for run in results.stalled):
        runs = [run for run in results.stalled if run.contestant == name]
        growth = {
            run.program == OURS.module: f"{run.growth / MIB:.1f}"
            if run.valid
            else INVALID.format(run.failures[0] if run.failures else run.ledger)
            for run in runs
        }
        sent = f"{runs[0].sent / MIB:.1f}"
        table.add_row(CONTESTANT[name].label, sent, growth.get(True, ""), growth.get(False, ""))
    return table
