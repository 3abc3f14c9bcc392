"""A network to put between two programs: delay, jitter and bandwidth, each way.

What is modelled is a path that loses nothing and keeps order, as TCP presents it. Slow
start, loss and retransmission are not: an event is smaller than any initial congestion
window (RFC 6928), so a feed of events does not meet them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

SEGMENT = 1_460  # bytes of TCP payload in an Ethernet frame (RFC 9293 §3.7.1)


@dataclass(frozen=True)
class Link:
    """One direction of a path.

    `delay` and `jitter` are in seconds: what enters comes out after `delay` plus a
    uniform draw from [0, `jitter`], never before what entered earlier. `bandwidth` is in
    bytes a second, for each connection. Raises `ValueError` for what no link can be.
    """

    delay: float = 0.0
    jitter: float = 0.0
    bandwidth: float = math.inf

    def __post_init__(self) -> None:
        if not (0 <= self.delay < math.inf and 0 <= self.jitter < math.inf):
            raise ValueError(f"Delay and jitter are seconds, 0 or more; got {self}.")
        if not self.bandwidth > 0:
            raise ValueError(f"A bandwidth is bytes a second, above 0; got {self.bandwidth}.")

    @property
    def transparent(self) -> bool:
        return not self.delay and not self.jitter and math.isinf(self.bandwidth)

    @property
    def mean_delay(self) -> float:
        """Seconds that a single small piece takes on average."""
        return self.delay + self.jitter / 2


@dataclass(frozen=True)
class Network:
    """A path between a client and a server: `up` is towards the server."""

    up: Link = Link()
    down: Link = Link()

    @classmethod
    def of(cls, rtt: float = 0.0, jitter: float = 0.0, bandwidth: float = math.inf) -> Network:
        """The same each way: half the round trip `rtt` (seconds), `jitter` (seconds),
        `bandwidth` (bytes a second)."""
        link = Link(rtt / 2, jitter, bandwidth)
        return cls(link, link)

    @property
    def rtt(self) -> float:
        """Seconds that a small exchange takes on average."""
        return self.up.mean_delay + self.down.mean_delay

    @property
    def transparent(self) -> bool:
        return self.up.transparent and self.down.transparent


@dataclass
class Schedule:
    """When each piece that enters one direction of one connection comes out."""

    random: random.Random = field(default_factory=random.Random)
    sent: float = 0.0  # when the last byte that entered will have left the sender
    due: float = 0.0  # when the last byte that entered will come out

    def arrival(self, link: Link, now: float, size: int) -> float:
        """The time at which `size` bytes that enter at `now` come out.

        The sender serialises them behind what it still has to send (size / bandwidth),
        then they travel. Any number travel at once, so delay limits no throughput.
        """
        self.sent = max(now, self.sent) + size / link.bandwidth
        jitter = self.random.uniform(0, link.jitter) if link.jitter else 0.0
        self.due = max(self.due, self.sent + link.delay + jitter)
        return self.due

    def queued(self, link: Link, now: float) -> float:
        """Bytes that wait for the sender's bandwidth."""
        return 0.0 if math.isinf(link.bandwidth) else max(0.0, self.sent - now) * link.bandwidth
