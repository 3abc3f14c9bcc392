"""The comparison on a terminal: progress while it runs, then the tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from transports.registry import BY_NAME

from .figures import Spread, between
from .progress import Progress
from .result import Measurement
from .run import Configuration, Result
from .selfcheck import Added
from .settings import Settings

DASH = "\N{EN DASH}"


def label(name: str) -> str:
    return BY_NAME[name].label if name in BY_NAME else name


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds, with as many digits as mean anything."""
    if seconds is None or math.isnan(seconds):
        return DASH
    value = seconds * 1e3
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def number(value: float | None, form: str = ".3g") -> str:
    if value is None or math.isnan(value):
        return DASH
    if form == "bytes":
        return f"{value:,.0f}"
    return f"{value:{form}}"


def progress(current: Progress, done: int, phases: int) -> RenderableType:
    """One screen of a run under way."""
    grid = Table.grid(padding=(0, 2))
    names = ", ".join(label(name) for name in current.techniques) or "the server"
    share = (done + (current.done if current.phase == "measuring" else 0)) / max(1, phases)
    grid.add_row(Text(current.phase, style="bold"), names)
    grid.add_row("", ProgressBar(total=1, completed=min(1.0, share), width=40))
    live = Table.grid(padding=(0, 2))
    for name, received in current.received.items():
        median = current.medians.get(name)
        live.add_row(
            label(name),
            f"{received:,} received",
            f"median {milliseconds(median)} ms" if median is not None else "",
        )
    return Group(grid, live)


def tables(result: Result) -> list[RenderableType]:
    """Everything the run has found, in the order in which it should be read."""
    found: list[RenderableType] = []
    for configuration in result.configurations:
        found += [Text(describe(configuration), style="bold"), *parts(configuration)]
    found += repeated(result)
    for warning in [*result.warnings, *withheld(result)]:
        found.append(Text(f"! {warning}", style="bold red"))
    if not result.same_host:
        found.append(
            Text(
                f"The server's clock is {milliseconds(result.clock_offset)} ms ahead, "
                f"± {milliseconds(result.clock_uncertainty)} ms."
            )
        )
    return found


def repeated(result: Result) -> list[Table]:
    """Where a configuration was measured more than once: how far its runs lie apart."""
    runs: dict[Settings, list[Configuration]] = {}
    for configuration in result.configurations:
        runs.setdefault(configuration.settings, []).append(configuration)
    found: list[Table] = []
    for same in runs.values():
        if len(same) < 2:
            continue
        table = _table(
            f"Between runs: {describe(same[0])}",
            *("", "median in ms of each run", "mean", "95 % between runs", "95 % within one"),
        )
        for name in [measurement.name for measurement in same[0].measurements]:
            delays = [m.intended for one in same for m in shown(one) if m.name == name]
            if len(delays) < 2:
                continue
            mean, half = between([delay.p50 for delay in delays])
            within = sum(delay.high - delay.low for delay in delays) / 2 / len(delays)
            table.add_row(
                label(name),
                "  ".join(milliseconds(delay.p50) for delay in delays),
                milliseconds(mean),
                f"± {milliseconds(half)}",
                f"± {milliseconds(within)}",
            )
        found.append(table)
    return found


def parts(configuration: Configuration) -> list[Table]:
    """A configuration's tables, without those in which nothing could be known (no tap, TLS)."""
    made = (ledger, delays, costs, server, predictions)
    return [table for make in made if not _blank(table := make(configuration))]


def _blank(table: Table) -> bool:
    return all(cell == DASH for column in table.columns[1:] for cell in column.cells)


def describe(configuration: Configuration) -> str:
    settings = configuration.settings
    parts = [
        f"{settings.clients} clients",
        f"{settings.rate:g} events/s ({settings.arrivals})",
        f"{settings.duration:g} s",
        f"polling every {settings.interval:g} s",
        f"rtt {settings.rtt * 1e3:g} ms",
    ]
    if settings.jitter:
        parts.append(f"jitter {settings.jitter * 1e3:g} ms")
    if not math.isinf(settings.bandwidth):
        parts.append(f"{settings.bandwidth / 1e3:g} kB/s")
    return ", ".join([*parts, f"seed {settings.seed}"])


def _table(title: str, *columns: str, left: int = 1) -> Table:
    """A table whose first `left` columns are words, the others figures."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for position, column in enumerate(columns):
        words = position < left
        table.add_column(column, justify="left" if words else "right", no_wrap=words)
    return table


def ledger(configuration: Configuration) -> Table:
    table = _table(
        "Ledger: deliveries",
        *("", "sent", "refused", "received", "lost", "doubled", "out of order", "resets"),
    )
    for measurement in configuration.measurements:
        book = measurement.ledger
        table.add_row(
            label(measurement.name),
            f"{book.sent:,}",
            _wrong(book.refused),
            f"{book.received:,}",
            *(_wrong(count) for count in (book.lost, book.doubled, book.disordered)),
            _wrong(measurement.resets),
        )
    return table


def _wrong(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "green")


def shown(configuration: Configuration) -> list[Measurement]:
    """Those whose figures may be published."""
    return [found for found in configuration.measurements if not found.bottleneck]


def _withheld_row(table: Table, measurement: Measurement) -> bool:
    """Whether the measurement's figures are withheld; its row then says so."""
    if measurement.bottleneck:
        table.add_row(label(measurement.name), Text("withheld", style="bold red"))
        return True
    return False


def delays(configuration: Configuration) -> Table:
    table = _table(
        "Delay in ms, from the intended sending (last column: from the actual one)",
        *("", "n", "p50", "95 % of p50", "p90", "p99", "p99.9", "max", "actual p50"),
    )
    for measurement in configuration.measurements:
        if _withheld_row(table, measurement):
            continue
        actual = milliseconds(measurement.actual.p50)
        table.add_row(label(measurement.name), *spread(measurement.intended), actual)
    return table


def spread(delay: Spread) -> list[str]:
    return [
        f"{delay.count:,}",
        milliseconds(delay.p50),
        f"{milliseconds(delay.low)}{DASH}{milliseconds(delay.high)}",
        milliseconds(delay.p90),
        milliseconds(delay.p99),
        milliseconds(delay.p999),
        milliseconds(delay.longest),
    ]


def costs(configuration: Configuration) -> Table:
    table = _table(
        "Wire, for one client: requests and bytes an event, bytes an idle hour",
        *("", "requests", "empty", "bytes up", "down", "idle up", "down", "reconnects"),
    )
    for measurement in shown(configuration):
        cost = measurement.cost
        table.add_row(
            label(measurement.name),
            number(cost.requests_per_event),
            number(cost.empty_share, ".0%"),
            number(cost.up_per_event, "bytes"),
            number(cost.down_per_event, "bytes"),
            number(measurement.idle_up, "bytes"),
            number(measurement.idle_down, "bytes"),
            number(cost.reconnects),
        )
    return table


def server(configuration: Configuration) -> Table:
    table = _table(
        "Server; CPU ms of one event to all clients",
        *("", "connections", "KiB a connection", "CPU ms for 1,000 deliveries"),
        *("server, an event", "clients, an event"),
    )
    for measurement in shown(configuration):
        cost = measurement.cost
        table.add_row(
            label(measurement.name),
            number(cost.connections),
            number(None if cost.memory is None else cost.memory / 1024, "bytes"),
            milliseconds(cost.cpu),
            milliseconds(measurement.volley.server),
            milliseconds(measurement.volley.clients),
        )
    return table


def predictions(configuration: Configuration) -> Table:
    table = _table(
        "Predicted and measured (delays from the publication at the server)",
        *("", "figure", "predicted", "for these events", "measured", "difference", "verdict"),
        left=2,
    )
    for measurement in shown(configuration):
        name = label(measurement.name)
        for check in measurement.comparison():
            if check.predicted or check.measured:
                table.add_row(
                    name,
                    f"{check.name} {check.unit}".strip(),
                    figure(check.predicted),
                    DASH if check.here is None else figure(check.here),
                    figure(check.measured),
                    figure(check.difference, "+"),
                    verdict(check.agrees, check.consistent),
                )
                name = ""
    return table


def figure(value: float, sign: str = "") -> str:
    """Three digits that mean something, without an exponent."""
    if abs(value) >= 100:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}.3g}" if abs(value) >= 0.0005 else "0"


def verdict(agrees: bool, consistent: bool) -> Text:
    if agrees:
        return Text("agrees", style="green")
    if consistent:
        return Text("within chance", style="yellow")
    return Text("DISAGREES", style="bold red")


def withheld(result: Result) -> list[str]:
    """What the load generator says against itself, and what went wrong on the way."""
    found: list[str] = []
    for configuration in result.configurations:
        for measurement in configuration.measurements:
            found += _against(measurement)
    return found


def _against(measurement: Measurement) -> list[str]:
    found: list[str] = []
    if measurement.bottleneck:
        found.append(f"{label(measurement.name)}: no figures, for {measurement.bottleneck}.")
    watch = measurement.watch
    if watch.failures:
        failed = f"{len(watch.failures)} publishes failed: {watch.failures[0]}"
        found.append(f"{label(measurement.name)}: {failed}")
    if watch.errors:
        found.append(f"{label(measurement.name)}: a client gave up: {watch.errors[0]}")
    return found


def self_check(found: Sequence[Added]) -> Table:
    table = _table(
        "What this tool adds: medians in ms, on the same events (allowed: below 0.5)",
        *("", "n", "bare client", "this tool", "difference", "event by event", "95 % of that"),
    )
    for added in found:
        later = added.later
        table.add_row(
            label(added.technique),
            f"{later.count:,}",
            f"{added.bare * 1e3:.2f}",
            f"{added.tool * 1e3:.2f}",
            Text(
                f"{(added.tool - added.bare) * 1e3:+.2f}",
                style="green" if added.within else "bold red",
            ),
            f"{later.p50 * 1e3:+.2f}",
            f"{later.low * 1e3:+.2f} to {later.high * 1e3:+.2f}",
        )
    return table


def show(console: Console, result: Result) -> None:
    for table in tables(result):
        console.print(table)
        console.print()
