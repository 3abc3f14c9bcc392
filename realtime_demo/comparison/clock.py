"""One clock for all: the monotonic clock of this host, and where the server's is on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def wall_zero() -> float:
    """What the wall clock showed when the monotonic clock showed 0, in Unix seconds."""
    before = time.monotonic()
    wall = time.time()
    return wall - (before + time.monotonic()) / 2


@dataclass(frozen=True)
class Clock:
    """`offset`: the server's wall clock minus this host's, known to ± `uncertainty` (seconds).

    An asymmetric path adds half its asymmetry to the offset, which no exchange of messages
    can tell; half the round trip bounds it.
    """

    offset: float = 0.0
    uncertainty: float = 0.0
    zero: float = field(default_factory=wall_zero)

    @classmethod
    def of(cls, probes: Sequence[Mapping[str, Any]], same_host: bool) -> Clock:
        """From publishes, each with `published_at`, `sent` and `acknowledged`.

        The one with the lowest round trip is taken: it has waited in the fewest queues
        (Cristian, Distributed Computing 3, 1989). On one host there is one clock.
        """
        zero = wall_zero()
        usable = [probe for probe in probes if probe.get("published_at") is not None]
        if same_host or not usable:
            return cls(zero=zero)
        best = min(usable, key=lambda probe: float(probe["acknowledged"] - probe["sent"]))
        middle = (best["acknowledged"] + best["sent"]) / 2
        return cls(
            offset=best["published_at"] - (middle + zero),
            uncertainty=(best["acknowledged"] - best["sent"]) / 2,
            zero=zero,
        )

    def local(self, published_at: float) -> float:
        """A time of the server's on this host's monotonic clock."""
        return published_at - self.offset - self.zero

    @property
    def stepped(self) -> float:
        """By how much the wall clock was set since, in seconds."""
        return wall_zero() - self.zero
