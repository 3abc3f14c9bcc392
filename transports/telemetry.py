"""Interface for counting the work of the feed and the techniques.

Discards everything unless `TELEMETRY` names a class (`transports.operations.metrics.Prometheus`).
"""

from __future__ import annotations

from functools import cache

from django.utils.module_loading import import_string

from transports.conf import conf
from transports.events import Batch, Draft


class Meter:
    """The counters of one technique."""

    def opened(self) -> None:
        """Count a request that has begun, or a socket that has opened."""

    def closed(self) -> None:
        """Count a request or socket that has ended."""

    def delivered(self, batch: Batch, *, live: bool = True) -> None:
        """Count a batch sent to a client; the backlog, which is not `live`, has no delay."""


class Telemetry:
    """The counters of the feed. Times are in seconds."""

    def meter(self, technique: str) -> Meter:
        return Meter()

    def traced(self, draft: Draft) -> Draft:
        """Return `draft` with the context of the current trace, if there is one."""
        return draft

    def published(self, seconds: float) -> None:
        """Count a publish that took `seconds`."""

    def publish_failed(self) -> None:
        """Count a publish that the store rejected."""

    def received(self, seconds: float) -> None:
        """Count an event that reached this process, `seconds` after its publication."""


@cache
def telemetry() -> Telemetry:
    """Return the process's telemetry."""
    configured: Telemetry = import_string(conf.TELEMETRY)() if conf.TELEMETRY else Telemetry()
    return configured
