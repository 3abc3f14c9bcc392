"""How far a run has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """What is on the screen while it runs."""

    phase: str
    techniques: tuple[str, ...]
    done: float  # share of the phase
    received: dict[str, int] = field(default_factory=dict)
    medians: dict[str, float] = field(default_factory=dict)  # seconds, of the last deliveries


Report = Callable[[Progress], None]
