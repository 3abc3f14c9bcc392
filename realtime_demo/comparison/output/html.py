"""The report: one self-contained HTML page with inline SVG, for light, dark and print."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.template import Context, Engine

from realtime_demo.comparison.plan import SWEPT
from realtime_demo.comparison.results import Configuration, Measurement, Result
from realtime_demo.comparison.statistics import quantile
from realtime_demo.comparison.theory import NetworkPath, predict
from transports.registry import BY_NAME, TECHNIQUES

from .charts import Chart, Line, chart, curve, distribution, spaced
from .findings import findings
from .formatting import DASH, describe, http_cost, interval, label, milliseconds, number, size
from .tables import repeated, shown, tables

# Axis titles of the settings that can be swept.
AXIS_TITLES = {
    "interval": "polling interval in s",
    "rtt": "round trip in ms",
    "rate": "events a second",
    "clients": "clients",
    "jitter": "jitter in ms",
    "size": "size of the text in characters",
}
LONG = 12  # rows: a longer table may be split between printed pages
SUMMARY = (
    ("", ""),
    ("Median", "ms"),
    ("95 % interval", "of the median, ms"),
    ("99 of 100 within", "ms"),
    ("Requests", "an event"),
    ("On the wire", "bytes an event"),
    ("Idle", "an hour"),
    ("Server CPU", "ms, 1,000 deliveries"),
)
TEMPLATES = Engine(dirs=[str(Path(__file__).parent / "templates")])


def page(result: Result) -> str:
    """Return the report as HTML."""
    first = result.configurations[0]
    summary = {
        "caption": describe(first),
        "columns": SUMMARY,
        "rows": [_row(measurement) for measurement in first.measurements],
    }
    context = {
        "title": "Real-time techniques, measured",
        "techniques": TECHNIQUES,
        "result": result,
        "summary": summary,
        "findings": [_keep_units(text) for text in findings(result)],
        "overview": _overview(result),
        "repeated": repeated(result),
        "long": LONG,
        "configurations": [
            {
                "title": _keep_units(describe(one)),
                "charts": [drawn for each in shown(one) if (drawn := _distribution(each))],
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


def _css(technique: str) -> str:
    return technique if technique in BY_NAME else "plain"


def _row(measurement: Measurement) -> dict[str, Any]:
    """Return a technique's row of the summary table."""
    delay, cost = measurement.intended, measurement.cost
    wire = idle = DASH
    if cost.up_per_event is not None and cost.down_per_event is not None:
        wire = f"{cost.up_per_event + cost.down_per_event:,.0f}"
    if measurement.idle_up is not None and measurement.idle_down is not None:
        idle = size(measurement.idle_up + measurement.idle_down)
    return {
        "css": _css(measurement.technique),
        "name": label(measurement.name),
        "withheld": measurement.bottleneck,
        "cells": (
            milliseconds(delay.p50),
            interval(delay.low, delay.high),
            milliseconds(delay.p99),
            number(cost.requests_per_event),
            wire,
            idle,
            milliseconds(cost.cpu),
        ),
    }


def _overview(result: Result) -> list[Chart]:
    charts = [_trade(result), *_growth(result)]
    if result.plan.swept in SWEPT:
        charts.insert(0, _sweep(result, result.plan.swept))
    return charts


def _sweep(result: Result, name: str) -> Chart:
    """Return the chart of mean delay against the swept setting `name`."""
    measured, predicted = dict[str, Line](), dict[str, Line]()
    for configuration in result.configurations:
        value = getattr(configuration.settings, name) / SWEPT[name]
        for one in shown(configuration):
            css, line_name = _css(one.technique), label(one.name)
            line = measured.setdefault(one.name, Line(line_name, css, (), marks=True))
            dashed = predicted.setdefault(
                one.name, Line(line_name, f"{css} own", (), predicted=True, named=False)
            )
            measured[one.name] = line.with_point(value, one.published.mean * 1e3)
            predicted[one.name] = dashed.with_point(value, one.prediction.delay.mean * 1e3)
    return chart(
        f"Mean delay against {AXIS_TITLES[name].partition(' in ')[0]}",
        AXIS_TITLES[name],
        "mean delay in ms",
        [*predicted.values(), *measured.values()],
        caption="Points are measured, dashed lines predicted.",
        log_y=True,
    )


def _trade(result: Result) -> Chart:
    """Return the chart of delay against requests, with the curve of all polling intervals."""
    first = result.configurations[0]
    path = NetworkPath(first.settings.network, _service(first))
    points = []
    for pause in spaced(0.05, 60.0):
        polled = predict("polling", replace(first.settings.workload, interval=pause), path)
        points.append((polled.requests_per_second * 3600, polled.delay.mean * 1e3))
    lines = [Line("polling, 60 s to 0.05 s", "polling own", points, predicted=True)]
    for configuration in result.configurations:
        for measurement in shown(configuration):
            cost = measurement.cost
            if cost.requests is None:
                continue
            an_hour = cost.requests / measurement.clients / cost.seconds * 3600
            # An open connection has one request: place it at the chart's left edge.
            place = (max(an_hour, 30.0), measurement.published.mean * 1e3)
            name = label(measurement.name)
            named = all(line.name != name for line in lines)  # name each line only once
            css = _css(measurement.technique)
            lines.append(Line(name, css, [place], marks=True, named=named))
    return chart(
        "Delay against overhead",
        "requests an hour from one client",
        "mean delay in ms",
        lines,
        caption="Dashed: every polling interval from 60 s to 0.05 s, predicted. Points are "
        "measured; open connections send no further requests and are at the left edge.",
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
        for one in shown(configuration):
            if one.cost.cpu is not None:
                share = one.cost.cpu / 1_000 * one.cost.deliveries / one.cost.seconds * 100
                points[one.name].append((one.clients, share))
    if not points:
        return []
    lines: list[Line] = []
    for name, places in points.items():
        clients, share = places[-1]
        ends = [(float(n), share / clients * n) for n in (1, 10, 100, 1_000, 10_000)]
        lines.append(Line(label(name), f"{_css(name)} own", ends, predicted=True))
        lines.append(Line(name, _css(name), places, marks=True, named=False))
    rate = result.configurations[-1].settings.rate
    drawn = chart(
        "Growth with clients",
        "clients",
        "server CPU in % of a core",
        lines,
        caption=f"At {rate:g} events a second. Points are measured, without publishing; dashed "
        "lines extrapolate the last point in proportion. That overstates the cost of waking up, "
        "which occurs once an event for all clients.",
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
    if measurement.simulated is not None:
        predicted = _within([delay * 1e3 for delay in measurement.simulated.delays], high)
    else:
        predicted = curve(lambda x: delay.cdf(x / 1e3), high)
    css = _css(measurement.technique)
    beyond = sum(sample > high for sample in ordered)
    return chart(
        f"{label(measurement.name)}: share of events within a delay",
        "delay in ms",
        "share of deliveries",
        [
            Line("measured", css, _within(ordered, high), named=False),
            Line("predicted", css, predicted, predicted=True, named=False),
        ],
        caption="Solid: measured; dashed: predicted for these events."
        + (f" {beyond} of {len(ordered):,} lie beyond the right edge." if beyond else ""),
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
    clock = "one clock: server and clients are on one host"
    if not result.same_host:
        clock = (
            f"the server's clock is {result.clock_offset * 1e3:.2f} ms ahead, "
            f"± {result.clock_uncertainty * 1e3:.2f} ms"
        )
    return {
        "Machine": f"{host['processor']}, {host['cores']} cores, {host['system']}",
        "Load before": f"{host['load']:.2f}" if host["load"] is not None else "unknown",
        "Software": f"Python {host['python']}, {packages}",
        "Server": result.server,
        "HTTP client": http_cost(result),
        "Clock": clock,
        "Seed": ", ".join(sorted({str(c.settings.seed) for c in result.configurations})),
    }
