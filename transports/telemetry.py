"""What the feed and the techniques report of themselves; nothing unless `TELEMETRY` says who
receives it (`transports.operations.metrics.Prometheus`)."""

from __future__ import annotations

from functools import cache

from django.utils.module_loading import import_string

from transports.conf import conf
from transports.events import Batch


class Meter:
    """Receives what one technique does."""

    def opened(self) -> None:
        """A request is being answered, or a socket is open."""

    def closed(self) -> None:
        """It is no longer."""

    def delivered(self, batch: Batch, *, live: bool = True) -> None:
        """A batch was handed to a client; the delay of one that is not `live`, the backlog,
        says nothing."""


class Telemetry:
    """Receives what the feed does. Times are in seconds."""

    def meter(self, technique: str) -> Meter:
        return Meter()

    def published(self, seconds: float) -> None:
        """A publish took so long."""

    def publish_failed(self) -> None:
        """The store did not take an event."""

    def received(self, seconds: float) -> None:
        """An event came from the channel layer, so long after its publication."""


@cache
def telemetry() -> Telemetry:
    """The process's."""
    made: Telemetry = import_string(conf.TELEMETRY)() if conf.TELEMETRY else Telemetry()
    return made
