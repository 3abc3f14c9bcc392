"""The demo's settings, which outlive a restart of the server.

`changed` returns the settings with the members of a JSON object; others keep their values. It
raises `Problem` (400) for unknown members and invalid values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, cast

from realtime_demo.tap.network import Network
from transports.http.names import shown
from transports.http.problems import Problem
from transports.registry import BY_NAME

Arrivals = Literal["poisson", "fixed"]

ROUND_TRIP = 10_000.0  # ms, maximum
BANDWIDTH = (1.0, 1_000_000.0)  # kB/s, minimum and maximum
RATE = (0.1, 100.0)  # events a second, minimum and maximum
BURST = 1_000  # events, maximum


class Setting:
    """Base class of the settings."""

    @property
    def document(self) -> dict[str, Any]:
        return asdict(cast(Any, self))


@dataclass(frozen=True)
class NetworkSettings(Setting):
    """The simulated network of the techniques' connections.

    `rtt` and `jitter` (each way) are in milliseconds, `bandwidth` in kB/s (1,000 bytes; None:
    unlimited).
    """

    rtt: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None

    @property
    def network(self) -> Network:
        bandwidth = math.inf if self.bandwidth is None else self.bandwidth * 1000
        return Network.of(self.rtt / 1000, self.jitter / 1000, bandwidth)

    def changed(self, document: Mapping[str, Any]) -> Self:
        check_members(document, "rtt", "jitter", "bandwidth")
        bandwidth = document.get("bandwidth", self.bandwidth)
        if bandwidth is not None:
            bandwidth = number(document, "bandwidth", bandwidth, BANDWIDTH)
        rtt = number(document, "rtt", self.rtt, (0, ROUND_TRIP))
        jitter = number(document, "jitter", self.jitter, (0, ROUND_TRIP))
        return replace(self, rtt=rtt, jitter=jitter, bandwidth=bandwidth)


@dataclass(frozen=True)
class FeedSettings(Setting):
    """The generator: `rate` events a second in `room`, random or at fixed intervals."""

    running: bool = True
    rate: float = 1.0
    room: str = "lobby"
    arrivals: Arrivals = "poisson"

    def changed(self, document: Mapping[str, Any]) -> Self:
        check_members(document, "running", "rate", "room", "arrivals")
        arrivals = document.get("arrivals", self.arrivals)
        if arrivals not in ("poisson", "fixed"):
            raise Problem(
                400, "arrivals", f"'arrivals' must be poisson or fixed; got {shown(arrivals)}."
            )
        return replace(
            self,
            running=boolean(document, "running", self.running),
            rate=number(document, "rate", self.rate, RATE),
            room=document.get("room", self.room),
            arrivals=arrivals,
        )


@dataclass(frozen=True)
class FaultSettings(Setting):
    """The simulated faults: a proxy that buffers, a middleware that compresses."""

    buffering: bool = False
    gzip: bool = False

    def changed(self, document: Mapping[str, Any]) -> Self:
        check_members(document, "buffering", "gzip")
        return replace(self, **{name: boolean(document, name) for name in document})


# --- Members of a JSON object -------------------------------------------------------------
def check_members(document: Mapping[str, Any], *names: str) -> None:
    """Raise `Problem` for an unknown member, which is most often a typing error."""
    for name in document.keys() - set(names):
        expected = ", ".join(names)
        raise Problem(400, "member", f"Expected only the members {expected}; got {name[:40]!r}.")


def number(
    document: Mapping[str, Any], name: str, default: float, between: tuple[float, float]
) -> float:
    value = document.get(name, default)
    least, most = between
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Problem(
            400, name, f"'{name}' must be a number from {least:g} to {most:g}; got {shown(value)}."
        )
    return float(value)


def integer(document: Mapping[str, Any], name: str, most: int) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Problem(
            400, name, f"'{name}' must be an integer from 1 to {most}; got {shown(value)}."
        )
    return value


def boolean(document: Mapping[str, Any], name: str, default: bool | None = None) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise Problem(400, name, f"'{name}' must be true or false; got {shown(value)}.")
    return value


def technique(document: Mapping[str, Any]) -> str | None:
    """Return the member `technique`; None: all techniques."""
    name = document.get("technique")
    if name is not None and (not isinstance(name, str) or name not in BY_NAME):
        detail = f"'technique' must be one of {', '.join(BY_NAME)}; got {shown(name)}."
        raise Problem(400, "technique", detail)
    return name


Server = Literal["starting", "up", "restarting"]
