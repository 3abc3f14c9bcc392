"""The comparison on a terminal: progress during the run, then the tables."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rich import table as rich
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.progress_bar import ProgressBar
from rich.text import Text

from realtime_demo.comparison.plan import Progress
from realtime_demo.comparison.results import Result

from .formatting import describe, http_cost, label, milliseconds, withheld
from .tables import Table, repeated, tables

STYLES = {"": "", "good": "green", "fair": "yellow", "bad": "bold red"}


def progress(current: Progress, done: int, phases: int) -> RenderableType:
    """Return the screen for a run's current progress."""
    grid = rich.Table.grid(padding=(0, 2))
    names = ", ".join(label(name) for name in current.techniques) or "the server"
    share = (done + (current.done if current.phase == "measuring" else 0)) / max(1, phases)
    grid.add_row(Text(current.phase, style="bold"), names)
    grid.add_row("", ProgressBar(total=1, completed=min(1.0, share), width=40))
    live = rich.Table.grid(padding=(0, 2))
    for name, received in current.received.items():
        median = current.medians.get(name)
        delay = "" if median is None else f"median {milliseconds(median)} ms"
        live.add_row(label(name), f"{received:,} received", delay)
    return Group(grid, live)


def render(table: Table) -> rich.Table:
    rendered = rich.Table(
        title=table.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for position, column in enumerate(table.columns):
        is_text = position < table.text_columns
        justify: JustifyMethod = "left" if is_text else "right"
        rendered.add_column(column, justify=justify, no_wrap=is_text, overflow="fold")
    for row in table.rows:
        rendered.add_row(*[Text(cell.text, style=STYLES[cell.tone]) for cell in row])
    rendered.caption = "\n".join(table.notes) or None
    rendered.caption_justify = "left"
    return rendered


def show(console: Console, result: Result) -> None:
    """Print the run's tables and warnings."""
    parts: list[RenderableType] = []
    for configuration in result.configurations:
        parts.append(Text(describe(configuration), style="bold"))
        parts += map(render, tables(configuration))
    parts += map(render, repeated(result))
    for warning in [*result.warnings, *withheld(result)]:
        parts.append(Text(f"! {warning}", style="bold red"))
    parts.append(Text(_("HTTP client: {cost}.").format(cost=http_cost(result))))
    if not result.same_host:
        parts.append(
            Text(
                f"The server's clock is {milliseconds(result.clock_offset)} ms ahead, "
                f"± {milliseconds(result.clock_uncertainty)} ms."
            )
        )
    for part in parts:
        console.print(part)
        console.print()
