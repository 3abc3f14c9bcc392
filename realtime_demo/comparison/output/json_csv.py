"""A result as JSON and CSV, with every sample, setting and version that a rerun needs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from realtime_demo.comparison.results import Measurement, Result

T = TypeVar("T")

VERSION = 1
ORIGINS = {"intended": "", "actual": "from_actual_", "published": "from_published_"}
PER_EVENT = ("requests_per_event", "empty_share", "up_per_event", "down_per_event")


def document(result: Result, *, samples: bool = True) -> dict[str, Any]:
    """Return the result as JSON; unknown values are null. Times are in seconds."""
    members: dict[str, Any] = _plain(
        {
            "version": VERSION,
            "began": result.began,
            "command": result.plan.command,
            "server": result.server,
            "same_host": result.same_host,
            "clock": {"offset": result.clock_offset, "uncertainty": result.clock_uncertainty},
            "http_cpu": result.http_cpu,
            "environment": result.environment,
            "swept": result.plan.swept,
            "complete": result.complete,
            "warnings": result.warnings,
            "configurations": [
                {
                    "settings": configuration.settings.document(),
                    "techniques": {
                        each.name: _measurement(each, samples)
                        for each in configuration.measurements
                    },
                }
                for configuration in result.configurations
            ],
        }
    )
    return members


def read(path: Path, parse: Callable[[dict[str, Any]], T]) -> T:
    """Return `parse(document)` for a saved result.

    `parse` may raise `KeyError`, `TypeError`, `ValueError`. Raises `ValueError`, which names the
    file, unless it is a result with a configuration.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        message = _("{path}: expected a readable result of compare --json; got {strerror}.")
        raise ValueError(message.format(path=path, strerror=error.strerror)) from error
    try:
        document = json.loads(content)
        if not document["configurations"]:
            raise ValueError("no configuration")
        return parse(document)
    except (KeyError, TypeError, ValueError) as error:
        message = _(
            "{path}: expected a result of compare --json or --summary; got {text} ({kind}: "
            "{error})."
        )
        text, kind = repr(content[:40].decode("utf-8", "replace")), type(error).__name__
        raise ValueError(message.format(path=path, text=text, kind=kind, error=error)) from error


def _measurement(measurement: Measurement, samples: bool) -> dict[str, Any]:
    withheld = measurement.bottleneck
    members: dict[str, Any] = {
        "technique": measurement.technique,
        "clients": measurement.clients,
        "ledger": {
            **asdict(measurement.ledger),
            # Their former names, for programs that read them.
            "doubled": measurement.ledger.duplicated,
            "disordered": measurement.ledger.out_of_order,
        },
        "resets": measurement.resets,
        "withheld": withheld,
        "watch": asdict(measurement.generator),
    }
    if withheld is None:
        cost = measurement.cost
        members |= {
            "delay": {name: asdict(getattr(measurement, name)) for name in ORIGINS},
            "cost": {**asdict(cost), **{name: getattr(cost, name) for name in PER_EVENT}},
            "idle_bytes_an_hour": {"up": measurement.idle.up, "down": measurement.idle.down},
            "sizes": asdict(measurement.sizes),
            "service": measurement.service,
            "request": measurement.request,
            "push": measurement.push,
            "volley": {
                "server": measurement.event_probe.server,
                "clients": measurement.event_probe.clients,
            },
            "crowding": measurement.crowding,
            "event_bytes": measurement.event_bytes,
            "predicted": [check.document() for check in measurement.comparison()],
        }
    if samples:
        # Saved even if the figures are withheld, for a later analysis.
        members["events"] = [event._asdict() for event in measurement.sent]
        members["samples"] = [list(sample) for sample in measurement.samples]
    return members


def _plain(value: Any) -> Any:
    """Return `value` with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


SWEPT_COLUMNS = ("clients", "rate", "interval", "rtt", "jitter", "bandwidth", "size", "seed")


def rows(result: Result) -> list[dict[str, Any]]:
    """Return a row for each technique and configuration; delays are in milliseconds."""
    result_rows: list[dict[str, Any]] = []
    for configuration, measurement in result.measurements:
        settings, cost = configuration.settings.document(), measurement.cost
        row: dict[str, Any] = {"technique": measurement.name}
        row |= {name: settings[name] for name in SWEPT_COLUMNS}
        row |= asdict(measurement.ledger)
        row["withheld"] = measurement.bottleneck or ""
        result_rows.append(row)
        if row["withheld"]:
            continue
        for origin, prefix in ORIGINS.items():
            for name, value in asdict(getattr(measurement, origin)).items():
                row[f"{prefix}{name}"] = value if name == "count" else value * 1e3
        row |= {name: getattr(cost, name) for name in PER_EVENT}
        row |= {
            "idle_up_per_hour": measurement.idle.up,
            "idle_down_per_hour": measurement.idle.down,
            "connections": cost.connections,
            "reconnects": cost.reconnects,
            "cpu_ms_per_1000": cost.cpu * 1e3,
            "memory_per_connection": cost.memory,
            "predicted_mean_ms": measurement.prediction.delay.mean * 1e3,
            "predicted_requests_per_event": measurement.prediction.requests_per_event,
        }
    return result_rows


def as_json(result: Result) -> str:
    return json.dumps(document(result))


def as_summary(result: Result) -> str:
    return json.dumps(document(result, samples=False), indent=1) + "\n"


def as_csv(result: Result) -> str:
    result_rows: list[dict[str, Any]] = _plain(rows(result))
    columns = list(dict.fromkeys(column for row in result_rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(result_rows)
    return text.getvalue()
