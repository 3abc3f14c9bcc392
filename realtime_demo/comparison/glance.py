"""The first configuration on one screen: what somebody in a hurry needs of the report."""

from __future__ import annotations

from html import escape

from transports.registry import BY_NAME

from .console import DASH, describe, label, milliseconds, number
from .result import Measurement
from .run import Configuration

COLUMNS = (
    ("", ""),
    ("Median", "ms"),
    ("95 % interval", "of the median, ms"),
    ("99 of 100 within", "ms"),
    ("Requests", "an event"),
    ("On the wire", "bytes an event"),
    ("Idle", "an hour"),
    ("Server CPU", "ms, 1,000 deliveries"),
)


def size(value: float) -> str:
    """Bytes in the unit that leaves three digits: 980 B, 1.23 MB."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def table(configuration: Configuration) -> str:
    """A row a technique, as HTML."""
    head = "".join(
        f'<th scope="col">{escape(name)}<small>{escape(unit)}</small></th>'
        for name, unit in COLUMNS
    )
    body = "".join(_row(measurement) for measurement in configuration.measurements)
    return (
        '<div class="scroll"><table class="glance whole">'
        f"<caption>{escape(describe(configuration))}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(measurement: Measurement) -> str:
    css = measurement.technique if measurement.technique in BY_NAME else "plain"
    name = f'<td><span class="swatch {css}"></span>{escape(label(measurement.name))}</td>'
    if measurement.bottleneck:
        span = len(COLUMNS) - 1
        return f'<tr>{name}<td class="bad word" colspan="{span}">withheld: see below</td></tr>'
    delay, cost = measurement.intended, measurement.cost
    wire = idle = DASH
    if cost.up_per_event is not None and cost.down_per_event is not None:
        wire = f"{cost.up_per_event + cost.down_per_event:,.0f}"
    if measurement.idle_up is not None and measurement.idle_down is not None:
        idle = size(measurement.idle_up + measurement.idle_down)
    cells = (
        f"<strong>{milliseconds(delay.p50)}</strong>",
        f"{milliseconds(delay.low)}{DASH}{milliseconds(delay.high)}",
        milliseconds(delay.p99),
        number(cost.requests_per_event),
        wire,
        idle,
        milliseconds(cost.cpu),
    )
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
