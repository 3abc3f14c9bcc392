"""The report: one self-contained HTML page with inline SVG, for light, dark and print."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from django.template import Context, Engine
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from realtime_demo.comparison.plan import SWEPT
from realtime_demo.comparison.results import Configuration, Measurement, Result
from realtime_demo.comparison.statistics import quantile
from realtime_demo.comparison.theory import NetworkPath, predict
from transports.registry import BY_NAME, TECHNIQUES

from .charts import Chart, Line, chart, curve, distribution, geometric_steps
from .findings import findings
from .tables import css_of, describe, http_cost, label, rate, repeated, summary, tables

# Titles of the axis and of the chart of the settings that can be swept.
SWEEP_TITLES = {
    "interval": (
        gettext_lazy("polling interval in s"),
        gettext_lazy("Mean delay against polling interval"),
    ),
    "rtt": (gettext_lazy("round trip in ms"), gettext_lazy("Mean delay against round trip")),
    "rate": (gettext_lazy("events a second"), gettext_lazy("Mean delay against events a second")),
    "clients": (gettext_lazy("clients"), gettext_lazy("Mean delay against clients")),
    "jitter": (gettext_lazy("jitter in ms"), gettext_lazy("Mean delay against jitter")),
    "size": (
        gettext_lazy("size of the text in characters"),
        gettext_lazy("Mean delay against size of the text"),
    ),
}
LONG = 12  # rows: a longer table may be split between printed pages
TEMPLATES = Engine(
    dirs=[str(Path(__file__).parent / "templates")],
    libraries={"i18n": "django.templatetags.i18n"},
)


def page(result: Result) -> str:
    """Return the report as HTML."""
    first = result.configurations[0]
    context = {
        "title": _("Real-time techniques, measured"),
        "language": get_language(),
        "techniques": TECHNIQUES,
        "result": result,
        "summary": [summary(first)],
        "findings": [_keep_units(text) for text in findings(result)],
        "overview": _overview(result),
        "repeated": repeated(result),
        "long": LONG,
        "configurations": [
            {
                "title": _keep_units(describe(one)),
                "charts": [drawn for each in one.shown if (drawn := _distribution(each))],
                "tables": tables(one),
            }
            for one in result.configurations
        ],
        "setup": _setup(result),
    }
    return TEMPLATES.get_template("report.html").render(Context(context))


def _keep_units(text: str) -> str:
    """Replace the spaces between numbers and units by no-break spaces."""
    return re.sub(r"(?<=\d) (?=(?:ms|s|B|kB|MB|GB)\b|%)", "\N{NO-BREAK SPACE}", text)


def _overview(result: Result) -> list[Chart]:
    charts = [_trade(result), *_growth(result)]
    if result.plan.swept in SWEPT:
        charts.insert(0, _sweep(result, result.plan.swept))
    return charts


def _sweep(result: Result, name: str) -> Chart:
    """Return the chart of mean delay against the swept setting `name`."""
    points: defaultdict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for configuration in result.configurations:
        value = getattr(configuration.settings, name) / SWEPT[name]
        for one in configuration.shown:
            means = one.published.mean * 1e3, one.prediction.delay.mean * 1e3
            points[label(one.name), css_of(one.technique)].append((value, *means))
    measured, predicted = list[Line](), list[Line]()
    for (line_name, css), places in points.items():
        of_theory = [(value, mean) for value, _, mean in places]
        predicted.append(Line("", f"{css} own", of_theory, predicted=True))
        measured.append(Line(line_name, css, [place[:2] for place in places], marks=True))
    axis_title, title = SWEEP_TITLES[name]
    return chart(
        str(title),
        str(axis_title),
        _("mean delay in ms"),
        [*predicted, *measured],
        caption=_("Points are measured, dashed lines predicted."),
        log_y=True,
    )


def _trade(result: Result) -> Chart:
    """Return the chart of delay against requests, with the curve of all polling intervals."""
    first = result.configurations[0]
    path = NetworkPath(first.settings.network, _service(first))
    points = []
    for pause in geometric_steps(0.05, 60.0):
        polled = predict("polling", replace(first.settings.workload, interval=pause), path)
        points.append((polled.requests_per_second * 3600, polled.delay.mean * 1e3))
    lines = [Line(_("polling, 60 s to 0.05 s"), "polling own", points, predicted=True)]
    for configuration in result.configurations:
        for measurement in configuration.shown:
            cost = measurement.cost
            if math.isnan(cost.requests):
                continue
            an_hour = cost.requests / measurement.clients / cost.seconds * 3600
            # An open connection has one request: place it at the chart's left edge.
            place = (max(an_hour, 30.0), measurement.published.mean * 1e3)
            name = label(measurement.name)
            if any(line.name == name for line in lines):
                name = ""  # name each line only once
            lines.append(Line(name, css_of(measurement.technique), [place], marks=True))
    return chart(
        _("Delay against overhead"),
        _("requests an hour from one client"),
        _("mean delay in ms"),
        lines,
        caption=_(
            "Dashed: every polling interval from 60 s to 0.05 s, predicted. Points are "
            "measured; open connections send no further requests and are at the left edge."
        ),
        log_x=True,
        log_y=True,
    )


def _service(configuration: Configuration) -> float:
    settings = configuration.settings
    for measurement in configuration.measurements:
        if BY_NAME[measurement.technique].response_ends == "at once":
            period = 1 / measurement.prediction.requests_per_second
            return max(0.0, period - settings.interval - settings.network.rtt)
    return 0.0


def _growth(result: Result) -> list[Chart]:
    """Return the chart of server CPU against clients, at the run's rate."""
    points: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for configuration in result.configurations:
        for one in configuration.shown:
            if not math.isnan(one.cost.cpu):
                share = one.cost.cpu / 1_000 * one.cost.deliveries / one.cost.seconds * 100
                points[one.name].append((one.clients, share))
    if not points:
        return []
    lines: list[Line] = []
    for name, places in points.items():
        clients, share = places[-1]
        ends = [(float(n), share / clients * n) for n in (1, 10, 100, 1_000, 10_000)]
        lines.append(Line(label(name), f"{css_of(name)} own", ends, predicted=True))
        lines.append(Line("", css_of(name), places, marks=True))
    drawn = chart(
        _("Growth with clients"),
        _("clients"),
        _("server CPU in percent of a core"),
        lines,
        caption=_(
            "At {rate}. Points are measured, without publishing; dashed lines extrapolate the "
            "last point in proportion. That overstates the cost of waking up, which occurs once "
            "an event for all clients."
        ).format(rate=rate(result.configurations[-1].settings.rate)),
        log_x=True,
        log_y=True,
    )
    return [drawn]


def _distribution(measurement: Measurement) -> Chart | None:
    ordered = [delay * 1e3 for delay in measurement.delays()]
    if not ordered:
        return None
    delay = measurement.prediction.delay
    # The longest delays would compress the rest of the chart; the table has them.
    high = max(quantile(ordered, 0.95) * 1.2, delay.longest * 1e3 * 1.08)
    if measurement.simulated.delays:
        predicted = _within([delay * 1e3 for delay in measurement.simulated.delays], high)
    else:
        predicted = curve(lambda x: delay.cdf(x / 1e3), high)
    css = css_of(measurement.technique)
    caption = _("Solid: measured; dashed: predicted for these events.")
    if beyond := sum(sample > high for sample in ordered):
        caption += " " + ngettext(
            "{number} of {all} lies beyond the right edge.",
            "{number} of {all} lie beyond the right edge.",
            beyond,
        ).format(number=beyond, all=f"{len(ordered):,}")
    return chart(
        _("{technique}: share of events within a delay").format(technique=label(measurement.name)),
        _("delay in ms"),
        _("share of deliveries"),
        [
            Line("", css, _within(ordered, high)),
            Line("", css, predicted, predicted=True),
        ],
        caption=caption,
        most=1.0,
    )


def _within(ordered: list[float], high: float) -> list[tuple[float, float]]:
    """Return the distribution of all of `ordered`, drawn from 0 to `high`."""
    inside = [sample for sample in ordered if sample <= high]
    share = len(inside) / len(ordered)
    steps = [(x, y * share) for x, y in distribution(inside)] if inside else []
    return [(0.0, 0.0), *steps, (high, share)]


def _setup(result: Result) -> dict[str, str]:
    host = result.environment
    packages = ", ".join(f"{name} {version}" for name, version in host["packages"].items())
    clock = _("one clock: server and clients are on one host")
    if not result.same_host:
        clock = _("the server's clock is {offset} ms ahead, ± {uncertainty} ms").format(
            offset=f"{result.clock_offset * 1e3:.2f}",
            uncertainty=f"{result.clock_uncertainty * 1e3:.2f}",
        )
    cores = ngettext("{number} core", "{number} cores", host["cores"]).format(number=host["cores"])
    return {
        _("Machine"): f"{host['processor']}, {cores}, {host['system']}",
        _("Load before"): f"{host['load']:.2f}" if host["load"] is not None else _("unknown"),
        _("Software"): f"Python {host['python']}, {packages}",
        _("Server"): result.server,
        _("HTTP client"): http_cost(result),
        _("Clock"): clock,
        _("Seed"): ", ".join(sorted({str(c.settings.seed) for c in result.configurations})),
    }
