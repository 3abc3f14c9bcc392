"""Formatting of figures, for findings, terminal and report."""

from __future__ import annotations

import math

from django.utils.translation import gettext as _

from realtime_demo.comparison.results import Configuration, Result
from transports.registry import BY_NAME

DASH = "\N{EN DASH}"


def label(name: str) -> str:
    return BY_NAME[name].label if name in BY_NAME else name


def milliseconds(seconds: float | None) -> str:
    """Format seconds as milliseconds with the significant digits."""
    if seconds is None or math.isnan(seconds):
        return DASH
    value = seconds * 1e3
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def interval(low: float, high: float) -> str:
    return f"{milliseconds(low)}{DASH}{milliseconds(high)}"


def number(value: float | None, form: str = ".3g") -> str:
    return DASH if value is None or math.isnan(value) else f"{value:{form}}"


def figure(value: float, sign: str = "") -> str:
    """Format `value` with three significant digits and no exponent."""
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


def http_cost(result: Result) -> str:
    """Describe the HTTP client, and its CPU for one publish."""
    clients = ", ".join(sorted({one.settings.http_client for one in result.configurations}))
    return _("{clients}: {cpu} ms of CPU a publish; delays include the client's work").format(
        clients=clients, cpu=f"{result.http_cpu * 1e3:.2f}"
    )


def withheld(result: Result) -> list[str]:
    """Return warnings about withheld figures, failed publishes and clients that stopped."""
    warnings: list[str] = []
    for configuration in result.configurations:
        for measurement in configuration.measurements:
            name, generator = label(measurement.name), measurement.generator
            if measurement.bottleneck:
                warnings.append(f"{name}: figures withheld, since {measurement.bottleneck}.")
            if generator.failures:
                failures = f"{len(generator.failures)} publishes failed: {generator.failures[0]}"
                warnings.append(f"{name}: {failures}")
            if generator.errors:
                warnings.append(f"{name}: a client stopped: {generator.errors[0]}")
    return warnings
