"""A simulated network between two programs: delay, jitter, bandwidth, and a buffering proxy.

The model is a path without loss that keeps the order, as TCP presents it. Slow start, loss and
retransmission are not modelled: an event is smaller than any initial congestion window
(RFC 6928), so they do not affect a feed of events.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from gettext import gettext as _

SEGMENT = 1_460  # bytes of TCP payload in an Ethernet frame (RFC 9293 §3.7.1)
LAST_CHUNK = b"0\r\n\r\n"  # RFC 9112 §7.1


@dataclass(frozen=True)
class Link:
    """One direction of a path.

    `delay` and `jitter` are in seconds: bytes arrive after `delay` plus a uniform draw from
    [0, `jitter`], never before bytes sent earlier. `bandwidth` is in bytes a second, for each
    connection. Raises `ValueError` for invalid values.
    """

    delay: float = 0.0
    jitter: float = 0.0
    bandwidth: float = math.inf

    def __post_init__(self) -> None:
        if not (0 <= self.delay < math.inf and 0 <= self.jitter < math.inf):
            text = _("Delay and jitter must be seconds, 0 or more; got {network}.")
            raise ValueError(text.format(network=self))
        if not self.bandwidth > 0:
            text = _("Bandwidth must be bytes a second, above 0; got {bandwidth}.")
            raise ValueError(text.format(bandwidth=self.bandwidth))

    @property
    def transparent(self) -> bool:
        return not self.delay and not self.jitter and math.isinf(self.bandwidth)

    @property
    def mean_delay(self) -> float:
        """Mean delay of a single small piece, in seconds."""
        return self.delay + self.jitter / 2


@dataclass(frozen=True)
class Network:
    """A path between a client and a server: `up` is towards the server."""

    up: Link = Link()
    down: Link = Link()

    @classmethod
    def of(cls, rtt: float = 0.0, jitter: float = 0.0, bandwidth: float = math.inf) -> Network:
        """Return a symmetric network.

        `rtt` is the round trip without jitter (seconds), half of it in each direction; `jitter`
        (seconds) and `bandwidth` (bytes a second) are for each direction.
        """
        link = Link(rtt / 2, jitter, bandwidth)
        return cls(link, link)

    @property
    def rtt(self) -> float:
        """Mean duration of a small exchange, in seconds."""
        return self.up.mean_delay + self.down.mean_delay


@dataclass
class Schedule:
    """The schedule of arrivals in one direction of one connection."""

    random: random.Random = field(default_factory=random.Random)
    sent: float = 0.0  # when the last byte will have left the sender
    due: float = 0.0  # when the last byte will arrive

    def arrival(self, link: Link, now: float, size: int) -> float:
        """Return the time of arrival of `size` bytes that are sent at `now`.

        The sender transmits them (size / bandwidth) after its earlier bytes; then they travel.
        Any number of bytes travel at once, so delay does not limit the throughput.
        """
        self.sent = max(now, self.sent) + size / link.bandwidth
        jitter = self.random.uniform(0, link.jitter) if link.jitter else 0.0
        self.due = max(self.due, self.sent + link.delay + jitter)
        return self.due

    def queued(self, link: Link, now: float) -> float:
        """Return the bytes that wait for the sender's bandwidth."""
        return 0.0 if math.isinf(link.bandwidth) else max(0.0, self.sent - now) * link.bandwidth


class Buffer:
    """A buffer that collects a chunked response until `most` bytes are held or the response ends.

    Responses with a Content-Length are passed on at once: a proxy can see their end.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def add(self, data: bytes, most: int) -> bytes:
        """Add `data` (empty: end of the connection); return the bytes to pass on."""
        self._held += data
        if not most or not data or len(self._held) >= most or self._held.endswith(LAST_CHUNK):
            return self.release()
        if self._held.startswith(b"HTTP/1.1 "):
            head, blank, _ = bytes(self._held).partition(b"\r\n\r\n")
            if blank and b"transfer-encoding: chunked" not in head.lower():
                return self.release()
        return b""

    def release(self) -> bytes:
        """Return all bytes held, and clear the buffer."""
        held = bytes(self._held)
        self._held.clear()
        return held
