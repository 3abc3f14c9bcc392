"""How much one client may take: connections at a time, events and log-ins in a time."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache

from transports.conf import conf
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.scope import client_address

NETWORK = 64  # bits of an IPv6 address that its host does not choose (RFC 4291 §2.5.1)


@lru_cache(maxsize=1024)
def counted_as(address: str) -> str:
    """What an address is counted as: itself, or of IPv6 the network that one client has whole."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # empty, or a name that a proxy has for it
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:  # of a socket that listens to both
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), NETWORK), strict=False))


@dataclass
class RateLimit:
    """A token bucket for each client: `rate` a second, a burst of two seconds' worth.

    The `most` clients seen last are remembered.
    """

    most: int = 10_000
    detail: str = "At most {rate:g} events a second may be published"
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, client: str, rate: float, *, burst: float | None = None) -> None:
        """Take a token; raises `Problem` (429) if there is none."""
        now = time.monotonic()
        burst = max(1.0, 2 * rate if burst is None else burst)
        left, at = self._buckets.pop(client, (burst, now))
        left = min(burst, left + (now - at) * rate)
        if left < 1:
            self._buckets[client] = left, now
            seconds = max(1, round((1 - left) / rate + 0.5))
            raise Problem(
                429,
                "rate",
                f"{self.detail.format(rate=rate)}; try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            )
        self._buckets[client] = left - 1, now
        if len(self._buckets) > self.most:
            self._buckets.popitem(last=False)

    def put_back(self, client: str) -> None:
        """Return the token that `client` took."""
        if client in self._buckets:  # else it was forgotten, and has them all
            left, at = self._buckets[client]
            self._buckets[client] = left + 1, at


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
