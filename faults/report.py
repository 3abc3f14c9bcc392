"""The outcomes as a table in the terminal and as Markdown."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console

from realtime_demo.comparison.host import environment
from realtime_demo.comparison.output.tables import Cell, Table, Tone
from realtime_demo.comparison.output.terminal import render

from .run import RECOVERY, Outcome, Row

COLUMNS = (
    "fault",
    "technique",
    "clients",
    "sent",
    "delivered",
    "lost",
    "duplicated",
    "out of order",
    "resets",
    "missed",
    "recovered, s",
    "then, ms",
)


def provenance(module: str) -> dict[str, Any]:
    """Return the command that runs, the time and the machine, for the JSON of its figures."""
    return {
        "command": ["python", "-m", module, *sys.argv[1:]],
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": environment(),
    }


def markdown_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    for outcome in outcomes:
        table = Table(outcome.fault.title, ["", *COLUMNS[2:]])
        for row in outcome.rows:
            tone: Tone = "" if row.is_whole and row.recovery < RECOVERY else "bad"
            table.add(*(Cell(text, tone) for text in cells(row)))
        if any(row.uncounted for row in outcome.rows):
            table.notes.append("unknown: a reset did not count the missed events")
        console.print(render(console, table))
    for outcome in outcomes:
        complaints = outcome.complaints
        mark = "[bold red]FAILED[/bold red]" if complaints else "[green]passed[/green]"
        console.print(f"{mark} {outcome.fault.title}: {publishes(outcome)}", highlight=False)
        for complaint in complaints:
            console.print(f"         {complaint}", style="red")


def cells(row: Row) -> list[str]:
    """Return the cells of a row in the order of `COLUMNS`, without the fault's title."""
    return [
        row.technique,
        str(row.clients),
        f"{row.sent:,}",
        f"{row.delivered:,}",
        *map(str, (row.lost + row.altered, row.duplicated, row.out_of_order, row.resets)),
        "unknown" if row.uncounted else f"{row.missed:,}",
        f"{row.recovery:.1f}",
        f"{row.delay * 1000:.0f}",
    ]


def publishes(outcome: Outcome) -> str:
    """Return the results of the publishes, and the fault's notes."""
    results = f"{outcome.acknowledged:,} answered 201"
    if outcome.failed:
        results += f", {outcome.failed:,} failed, {outcome.retried:,} of them repeated"
    if outcome.lost_by_redis:
        results += f"; Redis itself lost {outcome.lost_by_redis:,} that were answered 201"
    return "; ".join([results, *outcome.notes])


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Return two tables: one row for each fault, and one for each technique in each fault."""
    return "\n".join([*_overview(outcomes), "", *_details(outcomes)]) + "\n"


def _overview(outcomes: Sequence[Outcome]) -> Iterator[str]:
    headings = "clients | sent | delivered | lost | duplicated | out of order | resets | recovered"
    yield f"| fault | {headings} | |"
    yield "|---|" + "--:|" * 8 + "---|"
    for outcome in outcomes:
        rows = outcome.rows
        sums = [
            sum(getattr(row, name) for row in rows)
            for name in ("clients", "delivered", "lost", "duplicated", "out_of_order", "resets")
        ]
        counts = [f"{count:,}" for count in (sums[0], rows[0].sent, *sums[1:])]
        recovery = f"{outcome.recovery:.1f} s"
        yield markdown_row(outcome.fault.title, *counts, recovery, publishes(outcome))


def _details(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield markdown_row(*COLUMNS)
    yield "|---|---|" + "--:|" * (len(COLUMNS) - 2)
    for outcome in outcomes:
        for number, row in enumerate(outcome.rows):
            title = outcome.fault.title if number == 0 else ""
            yield markdown_row(title, *cells(row))
