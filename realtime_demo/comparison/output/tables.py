"""The tables of a result, and the format of figures, for the terminal and the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from realtime_demo.comparison.plan import Settings
from realtime_demo.comparison.results import Configuration, Measurement, Result
from realtime_demo.comparison.statistics import interval_between_runs
from transports.registry import BY_NAME

Tone = Literal["", "good", "fair", "bad"]
DASH = "\N{EN DASH}"

# The reasons for unknown figures.
TEN = gettext_noop("needs 10 events of each technique")
THOUSAND = gettext_noop("needs 1,000 events of each technique")
HUNDRED = gettext_noop("needs 100 events of each technique")
TAPPED = gettext_noop("needs the tap, on connections without TLS")
IDLE = gettext_noop("needs the tap, for at least two heartbeats")
LOCAL = gettext_noop("needs one technique at a time, and a server on this machine with Linux")
PROBED = gettext_noop(
    "needs one technique at a time, one that waits for events; for the server, also a server on "
    "this machine"
)
SMALL = gettext_noop("needs 50 clients of each technique, and a server on this machine with Linux")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    `tone` is how good its figure is, `css` the class with the colour of the technique it names.
    """

    text: str
    tone: Tone = ""
    css: str = ""


@dataclass
class Table:
    """A table. Its first `text_columns` columns are text, the others figures.

    A row with an empty first cell belongs to the row above.
    """

    title: str
    columns: Sequence[str]
    text_columns: int = 1
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str | Cell) -> None:
        self.rows.append([Cell(cell) if isinstance(cell, str) else cell for cell in cells])

    def explain_dashes(self, reasons: Mapping[str, str]) -> Table:
        """Leave out the columns of `reasons` that have only dashes; note why there are dashes."""
        for name, reason in reasons.items():
            position = self.columns.index(name)
            texts = [row[position].text for row in self.rows if len(row) > position]
            if DASH not in texts:
                continue
            self.notes.append(f"{name}: {_(reason)}")
            if set(texts) == {DASH}:
                self.columns = [column for column in self.columns if column != name]
                for row in self.rows:
                    del row[position : position + 1]
        return self

    def part(self, columns: Sequence[int]) -> Table:
        """Return a table of the text columns and these others; notes go to the last part."""
        chosen = [*range(self.text_columns), *columns]
        is_last = chosen[-1] == len(self.columns) - 1
        return Table(
            self.title,
            [self.columns[position] for position in chosen],
            self.text_columns,
            [[row[position] for position in chosen if position < len(row)] for row in self.rows],
            self.notes if is_last else [],
        )

    @property
    def blank(self) -> bool:
        """Whether all figures are unknown (no tap, TLS)."""
        return all(cell.text == DASH for row in self.rows for cell in row[1:])


def tables(configuration: Configuration) -> list[Table]:
    """Return a configuration's tables, without blank ones."""
    makers = (ledger, delays, costs, server, predictions)
    return [table for make in makers if not (table := make(configuration)).blank]


def repeated(result: Result) -> list[Table]:
    """Return a table of the differences between runs for each repeated configuration."""
    runs: dict[Settings, list[Configuration]] = {}
    for configuration in result.configurations:
        runs.setdefault(configuration.settings, []).append(configuration)
    comparisons: list[Table] = []
    for repetitions in runs.values():
        if len(repetitions) < 2:
            continue
        columns = (
            *("", _("median in ms of each run"), _("mean")),
            *(_("95 % between runs"), _("95 % within one")),
        )
        title = _("Between runs: {configuration}").format(configuration=describe(repetitions[0]))
        comparisons.append(table := Table(title, columns))
        for name in [measurement.name for measurement in repetitions[0].measurements]:
            spreads = [m.intended for each in repetitions for m in each.shown if m.name == name]
            if len(spreads) < 2:
                continue
            mean, half = interval_between_runs([spread.p50 for spread in spreads])
            within = sum(spread.high - spread.low for spread in spreads) / 2 / len(spreads)
            table.add(
                label(name),
                "  ".join(milliseconds(spread.p50) for spread in spreads),
                milliseconds(mean),
                f"± {milliseconds(half)}",
                f"± {milliseconds(within)}",
            )
    return comparisons


def css_of(technique: str) -> str:
    return technique if technique in BY_NAME else "plain"


def summary(configuration: Configuration) -> Table:
    """Return the table of the report's beginning."""

    def wire(measurement: Measurement) -> str:
        cost = measurement.cost
        return number(cost.up_per_event + cost.down_per_event, ",.0f")

    def idle(measurement: Measurement) -> str:
        total = measurement.idle.up + measurement.idle.down
        return DASH if math.isnan(total) else size(total)

    return _of_figures(
        configuration,
        describe(configuration),
        (_("Median, ms"), "", lambda m: milliseconds(m.intended.p50)),
        (_("Interval of the median, 95 %, ms"), "", _interval),
        (_("99 of 100 within, ms"), HUNDRED, lambda m: milliseconds(m.intended.p99)),
        (_("Requests an event"), TAPPED, lambda m: number(m.cost.requests_per_event)),
        (_("Bytes an event"), TAPPED, wire),
        (_("Bytes an hour without events"), IDLE, idle),
        (_("Server CPU for 1,000 deliveries, ms"), LOCAL, lambda m: milliseconds(m.cost.cpu)),
        withheld=_("withheld: see below"),
        coloured=True,
    )


def _interval(measurement: Measurement) -> str:
    return interval(measurement.intended.low, measurement.intended.high)


def ledger(configuration: Configuration) -> Table:
    columns = (
        *("", _("sent"), _("rejected"), _("received"), _("lost"), _("duplicated")),
        *(_("out of order"), _("resets")),
    )
    table = Table(_("Ledger: deliveries"), columns)

    def fault(count: int) -> Cell:
        return Cell(f"{count:,}", "bad" if count else "good")

    for measurement in configuration.measurements:
        counts = measurement.ledger
        table.add(
            label(measurement.name),
            f"{counts.sent:,}",
            fault(counts.refused),
            f"{counts.received:,}",
            *map(fault, (counts.lost, counts.duplicated, counts.out_of_order, measurement.resets)),
        )
    return table


def delays(configuration: Configuration) -> Table:
    return _of_figures(
        configuration,
        _("Delay in ms, from the intended sending (last column: from the actual sending)"),
        ("n", "", lambda m: f"{m.intended.count:,}"),
        ("p50", "", lambda m: milliseconds(m.intended.p50)),
        (_("interval of p50"), "", _interval),
        ("p90", TEN, lambda m: milliseconds(m.intended.p90)),
        ("p99", HUNDRED, lambda m: milliseconds(m.intended.p99)),
        ("p99.9", THOUSAND, lambda m: milliseconds(m.intended.p999)),
        (_("max"), "", lambda m: milliseconds(m.intended.longest)),
        (_("actual p50"), "", lambda m: milliseconds(m.actual.p50)),
        withheld=_("withheld"),
    )


def costs(configuration: Configuration) -> Table:
    return _of_figures(
        configuration,
        _("Wire, for one client: requests and bytes an event, bytes an idle hour"),
        (_("requests"), TAPPED, lambda m: number(m.cost.requests_per_event)),
        (_("empty"), TAPPED, lambda m: number(m.cost.empty_share, ".0%")),
        (_("bytes up"), TAPPED, lambda m: number(m.cost.up_per_event, ",.0f")),
        (_("bytes down"), TAPPED, lambda m: number(m.cost.down_per_event, ",.0f")),
        (_("idle up"), IDLE, lambda m: number(m.idle.up, ",.0f")),
        (_("idle down"), IDLE, lambda m: number(m.idle.down, ",.0f")),
        (_("reconnects"), TAPPED, lambda m: number(m.cost.reconnects)),
    )


def server(configuration: Configuration) -> Table:
    return _of_figures(
        configuration,
        _("Server; CPU ms of one event to all clients"),
        (_("connections"), TAPPED, lambda m: number(m.cost.connections)),
        (_("KiB a connection"), SMALL, lambda m: number(m.cost.memory / 1024, ",.0f")),
        (_("CPU ms for 1,000 deliveries"), LOCAL, lambda m: milliseconds(m.cost.cpu)),
        (_("server, an event"), PROBED, lambda m: milliseconds(m.event_probe.server)),
        (_("clients, an event"), PROBED, lambda m: milliseconds(m.event_probe.clients)),
    )


def _of_figures(
    configuration: Configuration,
    title: str,
    *columns: tuple[str, str, Callable[[Measurement], str]],
    withheld: str = "",
    coloured: bool = False,
) -> Table:
    """Return a table of columns with a title, the reason for unknown figures, and the figure.

    `withheld` is shown for measurements without figures; by default they are left out.
    """
    table = Table(title, ["", *(name for name, _, _ in columns)])
    for measurement in configuration.measurements if withheld else configuration.shown:
        css = css_of(measurement.technique) if coloured else ""
        figures: list[str | Cell] = [figure(measurement) for _, _, figure in columns]
        if measurement.bottleneck:
            figures = [Cell(withheld, "bad")]
        table.add(Cell(label(measurement.name), css=css), *figures)
    return table.explain_dashes({name: reason for name, reason, _ in columns if reason})


def predictions(configuration: Configuration) -> Table:
    table = Table(
        _("Predicted and measured (delays from the publication at the server)"),
        (
            *("", _("figure"), _("predicted"), _("for these events"), _("measured")),
            *(_("difference"), _("verdict")),
        ),
        text_columns=2,
    )
    for measurement in configuration.shown:
        name = label(measurement.name)
        for check in measurement.comparison():
            if not (check.predicted or check.measured):
                continue
            if check.agrees:
                verdict = Cell(_("agrees"), "good")
            elif check.consistent:
                verdict = Cell(_("within chance"), "fair")
            else:
                verdict = Cell(_("DISAGREES"), "bad")
            table.add(
                name,
                f"{_(check.name)} {check.unit}".strip(),
                figure(check.predicted),
                figure(check.simulated),
                figure(check.measured),
                figure(check.difference, "+"),
                verdict,
            )
            name = ""
    return table.explain_dashes(
        {_("for these events"): gettext_noop("computed of delays, requests and empty responses")}
    )


# --- Figures and settings as text --------------------------------------------------------


def label(name: str) -> str:
    return _(BY_NAME[name].label) if name in BY_NAME else name


def milliseconds(seconds: float) -> str:
    """Format seconds as milliseconds with the significant digits."""
    if math.isnan(seconds):
        return DASH
    value = seconds * 1e3
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def interval(low: float, high: float) -> str:
    return f"{milliseconds(low)}{DASH}{milliseconds(high)}"


def number(value: float | None, form: str = ".3g") -> str:
    return DASH if value is None or math.isnan(value) else f"{value:{form}}"


def figure(value: float, sign: str = "") -> str:
    """Format `value` with three significant digits and no exponent."""
    if math.isnan(value):
        return DASH
    if abs(value) >= 100:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}.3g}" if abs(value) >= 0.0005 else "0"


def size(value: float) -> str:
    """Format bytes in the unit that leaves three digits: 980 B, 1.23 MB."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def amount(value: float) -> str:
    """Format a round value briefly: 0.01, 20, 5k, 2M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def describe(configuration: Configuration) -> str:
    """Describe the settings of a configuration."""
    settings, measured = configuration.settings, _("{seconds} s measured, {arrivals} arrivals")
    arrivals = _("Poisson") if settings.arrivals == "poisson" else _("fixed")
    parts = basics(configuration)
    parts.append(measured.format(seconds=f"{settings.duration:g}", arrivals=arrivals))
    if settings.jitter:
        parts.append(_("jitter {ms} ms").format(ms=f"{settings.jitter * 1e3:g}"))
    if not math.isinf(settings.bandwidth):
        parts.append(f"{settings.bandwidth / 1e3:g} kB/s")
    return ", ".join([*parts, _("seed {seed}").format(seed=settings.seed)])


def basics(configuration: Configuration) -> list[str]:
    """Describe the settings in which the configurations of a sweep differ."""
    settings = configuration.settings
    return [
        clients(settings.clients),
        rate(settings.rate),
        _("polling every {interval} s").format(interval=f"{settings.interval:g}"),
        _("rtt {ms} ms").format(ms=f"{settings.rtt * 1e3:g}"),
    ]


def clients(number: int) -> str:
    return ngettext("{number} client", "{number} clients", number).format(number=f"{number:,}")


def rate(number: float) -> str:
    """Format events a second."""
    plural = 1 if number == 1 else 2
    return ngettext("{number} event/s", "{number} events/s", plural).format(number=f"{number:g}")


def http_cost(result: Result) -> str:
    """Describe the HTTP client, and its CPU for one publish."""
    clients = ", ".join(sorted({one.settings.http_client for one in result.configurations}))
    return _("{clients}: {cpu} ms of CPU a publish; delays include the client's work").format(
        clients=clients, cpu=f"{result.http_cpu * 1e3:.2f}"
    )


def withheld(result: Result) -> list[str]:
    """Return warnings about withheld figures, failed publishes and clients that stopped."""
    warnings: list[str] = []
    for _configuration, measurement in result.measurements:
        name, generator = label(measurement.name), measurement.generator
        if reason := measurement.bottleneck:
            text = _("{name}: figures withheld: {reason}.")
            warnings.append(text.format(name=name, reason=reason))
        if number := len(generator.failures):
            text = ngettext(
                "{name}: {number} publish failed: {error}",
                "{name}: {number} publishes failed: {error}",
                number,
            )
            warnings.append(text.format(name=name, number=number, error=generator.failures[0]))
        if generator.errors:
            text = _("{name}: a client stopped: {error}")
            warnings.append(text.format(name=name, error=generator.errors[0]))
    return warnings
