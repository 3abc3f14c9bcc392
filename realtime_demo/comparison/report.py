"""One page that stands by itself: no network, no script, inline SVG, light, dark and print."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from string import Template

from rich.console import Console
from rich.table import Table

from transports.registry import BY_NAME, TECHNIQUES

from . import console, glance
from .charts import Line, chart, curve, distribution, spaced
from .figures import quantile
from .findings import findings
from .result import Measurement
from .run import Configuration, Result
from .settings import SWEPT
from .theory import Path, predict

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--text:#16202c;--soft:#556270;--rule:#d5dbe2;
--panel:#f6f8fa;--bad:#b3261e;--good:#1b6e3c;$light}
@media (prefers-color-scheme:dark){:root{--ground:#11151c;--text:#e6eaf0;--soft:#9aa7b5;
--rule:#2b3440;--panel:#181e27;--bad:#ff8a80;--good:#7fd6a2;$dark}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);
font:16px/1.55 system-ui,"Noto Sans","Noto Sans CJK KR",sans-serif}
main{max-width:1180px;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.2rem 0 .6rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
p,li{max-width:80ch}.lead{color:var(--soft);margin:0 0 1.5rem}
ul.findings{padding-left:1.2rem}ul.findings li{margin:.35rem 0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,400px),1fr));gap:1rem}
figure{margin:0;background:var(--panel);border:1px solid var(--rule);border-radius:8px;
padding:.6rem}
figcaption{font-size:.85rem;color:var(--soft);padding:.2rem .3rem 0}
svg{width:100%;height:auto;display:block}
svg text{fill:var(--text);font:11px system-ui,sans-serif}
svg .title{font-weight:600;font-size:12.5px}
svg .tick,svg .axis{fill:var(--soft)}svg .grid{stroke:var(--rule);stroke-width:1}
svg .line{fill:none;stroke:var(--c);stroke-width:2}
svg .predicted{stroke-dasharray:5 4;stroke-width:1.6;stroke:var(--text);opacity:.75}
svg .predicted.own{stroke:var(--c);opacity:1}
svg .mark{fill:var(--c);stroke:var(--ground);stroke-width:1.2}
svg .name{fill:var(--c);font-weight:600}
svg .plain{--c:var(--soft)}
svg .name{paint-order:stroke;stroke:var(--panel);stroke-width:4px;stroke-linejoin:round}
.scroll{overflow-x:auto}
table.glance{font-size:1.02rem;width:100%}table.glance caption{font-weight:400;color:var(--soft)}
table.glance td{padding:.42rem .7rem}table.glance strong{font-size:1.15em}
table.glance th{white-space:normal;vertical-align:bottom}
th small{display:block;font-weight:400;color:var(--soft)}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.6em;
background:var(--c)}.swatch.plain{--c:var(--soft)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.86rem;margin:.3rem 0}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap}
th:first-child,td:first-child,td.word,th.word{text-align:left}
td.bad{color:var(--bad);font-weight:700}td.good{color:var(--good)}
code{background:var(--panel);padding:.1rem .3rem;border-radius:4px;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem 1rem}dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
@page{margin:14mm}
@media print{:root{color-scheme:light;--ground:#fff;--text:#000;--soft:#444;--rule:#bbb;
--panel:#fff;--bad:#b3261e;--good:#1b6e3c;$light}main{max-width:none;padding:0}
body{font-size:10.5pt}.scroll{overflow:visible}p,li{max-width:none}
table{font-size:8pt}table.glance{font-size:9pt}th,td,table.glance td{padding:.2rem .4rem}
th{white-space:normal;vertical-align:bottom}
figure,li,tbody{break-inside:avoid}table.whole{break-inside:avoid}thead{display:table-header-group}
/* A heading is no longer than the row of charts that has to stay with it. */
h2{font-size:13pt;break-inside:avoid}h2::after{content:"";display:block;height:75mm;margin-bottom:-75mm}
.charts{gap:.5rem}figure{padding:.3rem}figcaption{font-size:8pt}h2,h3,caption{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}.charts{grid-template-columns:1fr 1fr}}
"""
PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><style>$style</style></head><body><main>
<h1>$title</h1><p class="lead">$lead</p>
<section>$glance<h2>Findings</h2><ul class="findings">$findings</ul></section>
$body
<section><h2>Setup</h2>$setup</section>
</main></body></html>
""")

# What is swept, as its axis says.
NAMED = {
    "interval": "polling interval in s",
    "rtt": "round trip in ms",
    "rate": "events a second",
    "clients": "clients",
    "jitter": "jitter in ms",
    "size": "size of the text in characters",
}
LONG = 12  # rows from which on a table may be split between pages


def page(result: Result) -> str:
    """The whole report as HTML."""
    light = "".join(f"--{t.name}:{t.colour[1]};" for t in TECHNIQUES)
    dark = "".join(f"--{t.name}:{t.colour[0]};" for t in TECHNIQUES)
    style = Template(STYLE).substitute(light=light, dark=dark)
    style += "".join(f".{t.name}{{--c:var(--{t.name})}}" for t in TECHNIQUES)
    body = _overview(result)
    for table in console.repeated(result):
        body += f'<div class="scroll">{html_table(table)}</div>'
    for configuration in result.configurations:
        body += _configuration(configuration)
    return PAGE.substitute(
        title="Real-time techniques, measured",
        style=style,
        lead=escape(f"{result.server}, {result.began}"),
        glance=glance.table(result.configurations[0]),
        findings="".join(f"<li>{_words(text)}</li>" for text in findings(result)),
        body=body,
        setup=_setup(result),
    )


def _words(text: str) -> str:
    """A sentence as HTML, in which no line ends between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(?:ms|s|B|kB|MB|GB)\b|%)", "&nbsp;", escape(text))


def _css(measurement: Measurement) -> str:
    return measurement.technique if measurement.technique in BY_NAME else "plain"


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def _overview(result: Result) -> str:
    figures = [_trade(result), _growth(result)]
    if result.plan.swept in SWEPT:
        figures.insert(0, _sweep(result, result.plan.swept))
    return (
        f'<section><h2>The whole picture</h2><div class="charts">{"".join(figures)}</div></section>'
    )


def _shown(configuration: Configuration) -> list[Measurement]:
    return console.shown(configuration)


def _sweep(result: Result, name: str) -> str:
    """Mean delay against what was swept; `name` is the setting's."""
    measured: dict[str, Line] = {}
    predicted: dict[str, Line] = {}
    for configuration in result.configurations:
        value = getattr(configuration.settings, name) / SWEPT[name]
        for found in _shown(configuration):
            for lines, mean, kind in (
                (measured, found.published.mean, False),
                (predicted, found.prediction.delay.mean, True),
            ):
                line = lines.get(found.name)
                points = [*(line.points if line else ()), (value, mean * 1e3)]
                css = _css(found) + (" own" if kind else "")
                lines[found.name] = Line(
                    console.label(found.name),
                    css,
                    points,
                    predicted=kind,
                    marks=not kind,
                    named=not kind,
                )
    svg = chart(
        f"Mean delay against {NAMED[name].partition(' in ')[0]}",
        NAMED[name],
        "mean delay in ms",
        [*predicted.values(), *measured.values()],
        log_y=True,
    )
    return _figure(svg, "Points are measured, dashed lines predicted.")


def _trade(result: Result) -> str:
    """Delay against requests: the curve on which every polling interval lies."""
    first = result.configurations[0]
    settings, network = first.settings, first.settings.network
    service = _service(first)
    points = []
    for interval in spaced(0.05, 60.0):
        workload = replace(settings.workload, interval=interval)
        found = predict("polling", workload, Path(network, service))
        points.append((found.requests_per_second * 3600, found.delay.mean * 1e3))
    lines = [Line("polling, 60 s to 0.05 s", "polling own", points, predicted=True)]
    for configuration in result.configurations:
        for measurement in _shown(configuration):
            cost = measurement.cost
            if cost.requests is None:
                continue
            an_hour = cost.requests / measurement.clients / cost.seconds * 3600
            # A stream asks once; at the chart's left edge it can be seen.
            place = (max(an_hour, 30.0), measurement.published.mean * 1e3)
            name = console.label(measurement.name)
            named = all(line.name != name for line in lines)  # once is enough
            lines.append(Line(name, _css(measurement), [place], marks=True, named=named))
    svg = chart(
        "Delay against overhead",
        "requests an hour from one client",
        "mean delay in ms",
        lines,
        log_x=True,
        log_y=True,
    )
    return _figure(
        svg,
        "Dashed: every polling interval from 60 s to 0.05 s, predicted. Points are measured; open "
        "connections make no requests and stand at the left edge.",
    )


def _service(configuration: Configuration) -> float:
    for measurement in configuration.measurements:
        if measurement.technique == "polling":
            period = 1 / measurement.prediction.requests_per_second
            settings = configuration.settings
            return max(0.0, period - settings.interval - settings.network.rtt)
    return 0.0


def _growth(result: Result) -> str:
    """Server CPU against clients, at the run's own rate."""
    points: dict[str, list[tuple[float, float]]] = {}
    for configuration in result.configurations:
        for found in _shown(configuration):
            if found.cost.cpu is not None:
                share = found.cost.cpu / 1_000 * found.cost.deliveries / found.cost.seconds * 100
                points.setdefault(found.name, []).append((found.clients, share))
    if not points:
        return ""
    lines: list[Line] = []
    for name, places in points.items():
        css = name if name in BY_NAME else "plain"
        clients, share = places[-1]
        ends = [(float(n), share / clients * n) for n in (1, 10, 100, 1_000, 10_000)]
        lines.append(Line(console.label(name), f"{css} own", ends, predicted=True))
        lines.append(Line(name, css, places, marks=True, named=False))
    rate = result.configurations[-1].settings.rate
    svg = chart(
        "Growth with clients", "clients", "server CPU in % of a core", lines, log_x=True, log_y=True
    )
    return _figure(
        svg,
        f"At {rate:g} events a second. Points are measured, publishing taken off; dashed lines "
        "carry the last of them on in proportion, which overstates what waking up costs: that is "
        "once an event, for all clients.",
    )


def _configuration(configuration: Configuration) -> str:
    charts = "".join(_distribution(measurement) for measurement in _shown(configuration))
    tables = "".join(
        f'<div class="scroll">{html_table(table)}</div>' for table in console.parts(configuration)
    )
    if charts:
        heading = "<h3>Delay from the publication at the server</h3>"
        charts = f'{heading}<div class="charts">{charts}</div>'
    return f"<section><h2>{_words(console.describe(configuration))}</h2>{charts}{tables}</section>"


def _distribution(measurement: Measurement) -> str:
    ordered = [delay * 1e3 for delay in measurement.delays()]
    if not ordered:
        return ""
    delay = measurement.prediction.delay
    # The last few percent would squeeze all the rest to a line; they are in the table.
    high = max(quantile(ordered, 0.95) * 1.2, delay.longest * 1e3 * 1.08)
    measured = _within(ordered, high)
    if measurement.played is not None:
        predicted = _within([delay * 1e3 for delay in measurement.played.delays], high)
    else:
        predicted = curve(lambda x: delay.cdf(x / 1e3), high)
    name = console.label(measurement.name)
    svg = chart(
        f"{name}: share of events within a delay",
        "delay in ms",
        "share of deliveries",
        [
            Line("measured", _css(measurement), measured, named=False),
            Line("predicted", _css(measurement), predicted, predicted=True, named=False),
        ],
        most=1.0,
    )
    beyond = sum(sample > high for sample in ordered)
    caption = "Solid: measured; dashed: predicted for these events." + (
        f" {beyond} of {len(ordered):,} lie beyond the right edge." if beyond else ""
    )
    return _figure(svg, caption)


def _within(ordered: list[float], high: float) -> list[tuple[float, float]]:
    """The distribution of all of `ordered`, drawn up to `high`, from edge to edge."""
    inside = [sample for sample in ordered if sample <= high]
    share = len(inside) / len(ordered)
    steps = [(x, y * share) for x, y in distribution(inside)] if inside else []
    return [(0.0, 0.0), *steps, (high, share)]


def html_table(table: Table) -> str:
    """A rich table as HTML, so that terminal and page cannot differ."""
    renderer = Console(width=10_000, color_system=None)
    head = "".join(f'<th scope="col">{escape(str(column.header))}</th>' for column in table.columns)
    columns = [list(column.cells) for column in table.columns]
    body = ""
    for cells in zip(*columns, strict=True):
        # Rows without a name of their own belong to the one above, and stay with it on paper.
        body += "</tbody><tbody><tr>" if body and str(cells[0]) else "<tr>"
        for position, cell in enumerate(cells):
            with renderer.capture() as capture:
                renderer.print(cell, end="")
            style = str(getattr(cell, "style", ""))
            css = "bad" if "red" in style else "good" if "green" in style else ""
            css += " word" if table.columns[position].justify == "left" else ""
            body += f'<td class="{css.strip()}">{escape(capture.get().strip())}</td>'
        body += "</tr>"
    whole = ' class="whole"' if table.row_count < LONG else ""
    return (
        f"<table{whole}><caption>{escape(str(table.title))}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _setup(result: Result) -> str:
    host = result.environment
    packages = ", ".join(f"{name} {version}" for name, version in host["packages"].items())
    entries = {
        "Command": f"<code>{escape(result.plan.command)}</code>",
        "Machine": escape(f"{host['processor']}, {host['cores']} cores, {host['system']}"),
        "Load before": escape(f"{host['load']:.2f}" if host["load"] is not None else "unknown"),
        "Software": escape(f"Python {host['python']}, {packages}"),
        "Server": escape(result.server),
        "Clock": escape(
            "one clock: server and clients are on one host"
            if result.same_host
            else f"the server's is {result.clock_offset * 1e3:.2f} ms ahead, "
            f"± {result.clock_uncertainty * 1e3:.2f} ms"
        ),
        "Seed": ", ".join(sorted({str(c.settings.seed) for c in result.configurations})),
    }
    items = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in entries.items())
    return f"<dl>{items}</dl>"
