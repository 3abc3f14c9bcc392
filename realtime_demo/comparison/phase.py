"""One phase of a run: one room, one schedule, and the clients of one technique, or of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .clients import Clients
from .plan import Settings
from .progress import Progress, Report
from .target import Target
from .workers import Child


class MeasurementFailed(Exception):
    """The run cannot give figures: a client never connected, or nothing was accepted."""


@dataclass(frozen=True)
class Phase:
    """What the parts of a measurement work on together."""

    target: Target
    load: Child  # the publisher
    settings: Settings
    clients: Clients
    report: Report

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(adapter.name for adapter in self.clients.adapters)

    @property
    def alone(self) -> bool:
        """Whether one technique has the machine to itself."""
        return len(self.clients.adapters) == 1

    @property
    def waited(self) -> bool:
        """Whether there are clients that wait for events, and not only such as ask in turn."""
        return any(adapter.technique != "polling" for adapter in self.clients.adapters)

    async def publish(self, number: int) -> dict[str, Any]:
        """Publish event `number` now; numbers below 0 are in no figure."""
        event: dict[str, Any] = await self.load.ask(
            "probe", room=self.clients.room, index=number, size=self.settings.size
        )
        return event

    def published(self, event: dict[str, Any]) -> float:
        """When the server published it, on this host's clock; else when it was sent."""
        at = event.get("published_at")
        return float(event["sent"]) if at is None else self.target.clock.local(at)

    def tell(self, phase: str, done: float = 0.0, **more: Any) -> None:
        self.report(Progress(phase, self.names, done, **more))
