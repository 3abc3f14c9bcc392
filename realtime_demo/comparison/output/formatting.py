"""How figures are written: in words, on the terminal and in the report alike."""

from __future__ import annotations

import math

from realtime_demo.comparison.results import Configuration, Result
from transports.registry import BY_NAME

DASH = "\N{EN DASH}"


def label(name: str) -> str:
    return BY_NAME[name].label if name in BY_NAME else name


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds, with as many digits as mean anything."""
    if seconds is None or math.isnan(seconds):
        return DASH
    value = seconds * 1e3
    return f"{value:.1f}" if abs(value) < 100 else f"{value:,.0f}"


def interval(low: float, high: float) -> str:
    return f"{milliseconds(low)}{DASH}{milliseconds(high)}"


def number(value: float | None, form: str = ".3g") -> str:
    return DASH if value is None or math.isnan(value) else f"{value:{form}}"


def figure(value: float, sign: str = "") -> str:
    """Three digits that mean something, without an exponent."""
    if abs(value) >= 100:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}.3g}" if abs(value) >= 0.0005 else "0"


def size(value: float) -> str:
    """Bytes in the unit that leaves three digits: 980 B, 1.23 MB."""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def amount(value: float) -> str:
    """A round value, in short: 0.01, 20, 5k, 2M."""
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


def withheld(result: Result) -> list[str]:
    """What the load generator says against itself, and what went wrong on the way."""
    warnings: list[str] = []
    for configuration in result.configurations:
        for measurement in configuration.measurements:
            name, watch = label(measurement.name), measurement.watch
            if measurement.bottleneck:
                warnings.append(f"{name}: no figures, for {measurement.bottleneck}.")
            if watch.failures:
                failed = f"{len(watch.failures)} publishes failed: {watch.failures[0]}"
                warnings.append(f"{name}: {failed}")
            if watch.errors:
                warnings.append(f"{name}: a client gave up: {watch.errors[0]}")
    return warnings
