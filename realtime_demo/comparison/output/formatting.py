"""Formatting of figures, for findings, terminal and report."""

from __future__ import annotations

import math

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from realtime_demo.comparison.results import Configuration, Result
from transports.registry import BY_NAME

DASH = "\N{EN DASH}"


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
