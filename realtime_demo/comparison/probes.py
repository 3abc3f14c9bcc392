"""What client and server themselves take, on top of any network, probed beside each measurement.

A theory of techniques does not know the machine. Two things are measured of it: how long a
request takes that finds nothing (`subscribers.Group.probe`), and here, how long an event takes to
clients that wait for it, when nothing else is under way. That includes that the server writes to
one client after another, and that the clients of one process read one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from .ledger import Sample

LENGTH = 1.5  # seconds of a volley at most; one is before the measured window, one behind it
FEWEST, MOST = 8, 24  # events in it
FIRST = -1_000_000  # their numbers go down from here; no number below 0 is in any figure
APART = 0.06  # seconds between them, beside two round trips
APART_EACH = 0.0005  # and for each client


@dataclass(frozen=True)
class Volley:
    """Events sent one by one to clients that wait: when each was published, by its number.

    `server` and `clients` are the CPU seconds that one event took (publishing taken off; None:
    not known).
    """

    published: dict[int, float] = field(default_factory=dict)
    server: float | None = None
    clients: float | None = None

    def __add__(self, other: Volley) -> Volley:
        """Both volleys' events, and the mean of their costs."""
        return replace(
            self,
            published=self.published | other.published,
            server=_mean(self.server, other.server),
            clients=_mean(self.clients, other.clients),
        )

    @property
    def busy(self) -> float:
        """CPU seconds that one event takes, publishing left out."""
        return (self.server or 0.0) + (self.clients or 0.0)

    def delays(self, samples: Iterable[Sample]) -> list[float]:
        """Seconds from each publication to each of its deliveries among `samples`.

        Events that took three times the median event are left out: so few cannot tell how often
        a machine stumbles, and one stumble would outweigh all the others.
        """
        events: dict[int, list[float]] = {}
        for sample in samples:
            if (published := self.published.get(sample.number)) is not None:
                events.setdefault(sample.number, []).append(sample.received - published)
        if not events:
            return []
        means = {number: sum(delays) / len(delays) for number, delays in events.items()}
        most = 3 * median(means.values())
        return [delay for number in events if means[number] <= most for delay in events[number]]


def _mean(*values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def pause(rtt: float, clients: int) -> float:
    """Seconds after which every client waits again."""
    return APART + APART_EACH * clients + 2 * rtt


def numbers(volleys: int, length: float, apart: float) -> Sequence[int]:
    """Those of the next volley's events, in about `length` seconds, when there were so many
    volleys before."""
    first = FIRST - volleys * MOST
    return range(first, first - min(MOST, max(FEWEST, round(length / apart))), -1)
