"""The comparison on a terminal: progress during the run, then the tables."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rich import table as rich
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.text import Text

from realtime_demo.comparison.plan import Progress
from realtime_demo.comparison.results import Result

from .tables import Table, describe, http_cost, label, milliseconds, repeated, tables, withheld

PHASES = {
    "starting": gettext_noop("starting"),
    "connecting": gettext_noop("connecting"),
    "measuring": gettext_noop("measuring"),
    "draining": gettext_noop("draining"),
}
WIDEST = 1_000  # cells: rich measures no table as wider than its console
STYLES = {"": "", "good": "green", "fair": "yellow", "bad": "bold red"}


def progress(current: Progress, done: int, phases: int) -> RenderableType:
    """Return the screen for a run's current progress."""
    grid = rich.Table.grid(padding=(0, 2))
    names = ", ".join(label(name) for name in current.techniques) or _("the server")
    share = (done + (current.done if current.phase == "measuring" else 0)) / max(1, phases)
    grid.add_row(Text(_(PHASES[current.phase]), style="bold"), names)
    grid.add_row("", ProgressBar(total=1, completed=min(1.0, share), width=40))
    live = rich.Table.grid(padding=(0, 2))
    for name, received in current.received.items():
        median = current.medians.get(name)
        delay = "" if median is None else _("median {ms} ms").format(ms=milliseconds(median))
        live.add_row(label(name), _("{number} received").format(number=f"{received:,}"), delay)
    return Group(grid, live)


def progress_line(current: Progress, done: int, phases: int) -> str:
    """Return the progress as a line, where there is no terminal."""
    names = ", ".join(label(name) for name in current.techniques) or _("the server")
    return _("{done} of {phases} measured; {phase}: {techniques}").format(
        done=done, phases=phases, phase=_(PHASES[current.phase]), techniques=names
    )


def render(console: Console, table: Table) -> RenderableType:
    """Return the table with wrapped headers, or in parts, if it is wider than the console.

    rich would cut words instead: it narrows the widest columns first, to less than a word.
    """
    unlimited = console.options.update_width(WIDEST)
    for is_narrow in (False, True):
        rendered = _rendered(table, is_narrow)
        if Measurement.get(console, unlimited, rendered).maximum <= console.width:
            return rendered
    columns = range(table.text_columns, len(table.columns))
    if len(columns) < 2:
        return rendered
    halves = columns[: len(columns) // 2], columns[len(columns) // 2 :]
    return Group(*(render(console, table.part(half)) for half in halves))


def _rendered(table: Table, is_narrow: bool) -> rich.Table:
    """Return the table; in narrow columns, headers have a word in each line."""
    rendered = rich.Table(
        title=table.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for position, column in enumerate(table.columns):
        is_text = position < table.text_columns
        justify: JustifyMethod = "left" if is_text else "right"
        texts = [row[position].text for row in table.rows if len(row) > position]
        width = max(map(cell_len, [*column.split(), *texts]), default=0) if is_narrow else None
        rendered.add_column(column, justify=justify, no_wrap=is_text, overflow="fold", width=width)
    for row in table.rows:
        rendered.add_row(*[Text(cell.text, style=STYLES[cell.tone]) for cell in row])
    rendered.caption = Text("\n".join(table.notes)) if table.notes else None
    rendered.caption_justify = "left"
    return rendered


def show(console: Console, result: Result) -> None:
    """Print the run's tables and warnings."""
    parts: list[RenderableType] = []
    for configuration in result.configurations:
        parts.append(Text(describe(configuration), style="bold"))
        parts += [render(console, table) for table in tables(configuration)]
    parts += [render(console, table) for table in repeated(result)]
    for warning in [*result.warnings, *withheld(result)]:
        parts.append(Text(f"! {warning}", style="bold red"))
    parts.append(Text(_("HTTP client: {cost}.").format(cost=http_cost(result))))
    if not result.same_host:
        text = _("The server's clock is {offset} ms ahead, ± {uncertainty} ms.")
        offset = milliseconds(result.clock_offset)
        uncertainty = milliseconds(result.clock_uncertainty)
        parts.append(Text(text.format(offset=offset, uncertainty=uncertainty)))
    for part in parts:
        console.print(part)
        console.print()
