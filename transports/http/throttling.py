"""Rate limits for each client, on publishing and log-ins."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache

from transports.conf import conf
from transports.http.origin import client_address
from transports.http.problems import Problem
from transports.http.request import Request

NETWORK = 64  # bits of an IPv6 address that its host does not choose (RFC 4291 §2.5.1)


@lru_cache(maxsize=1024)
def counted_as(address: str) -> str:
    """Return the client that `address` counts as: itself, or for IPv6 its /64 network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # empty, or not an address but a proxy's identifier
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:  # from a dual-stack socket
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), NETWORK), strict=False))


@dataclass
class RateLimit:
    """A token bucket for each client: `rate` a second, a burst of two seconds' worth.

    Holds the buckets of the `most` most recent clients.
    """

    most: int = 10_000
    detail: str = "At most {rate:g} events a second may be published"
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, client: str, rate: float, *, burst: float | None = None) -> None:
        """Take a token; raises `Problem` (429) if the bucket is empty."""
        now = time.monotonic()
        burst = max(1.0, 2 * rate if burst is None else burst)
        tokens, updated_at = self._buckets.pop(client, (burst, now))
        tokens = min(burst, tokens + (now - updated_at) * rate)
        if tokens < 1:
            self._buckets[client] = tokens, now
            seconds = max(1, round((1 - tokens) / rate + 0.5))
            raise Problem(
                429,
                "rate",
                f"{self.detail.format(rate=rate)}; try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        self._buckets[client] = tokens - 1, now
        if len(self._buckets) > self.most:
            self._buckets.popitem(last=False)

    def clear(self) -> None:
        """Refill every bucket."""
        self._buckets.clear()

    def put_back(self, client: str) -> None:
        """Return the token that `client` took."""
        if client in self._buckets:  # otherwise it was dropped, and the bucket counts as full
            tokens, updated_at = self._buckets[client]
            self._buckets[client] = tokens + 1, updated_at


publishing = RateLimit()


def take_turn(request: Request) -> None:
    """Raise `Problem` (429) if the user, or else the address, exceeds `PUBLISH_RATE`."""
    if conf.PUBLISH_RATE > 0:
        if request.user.is_authenticated:
            client = f"user {request.user.pk}"
        else:
            client = counted_as(client_address(request.scope))
        if client:
            publishing.take(client, conf.PUBLISH_RATE)
