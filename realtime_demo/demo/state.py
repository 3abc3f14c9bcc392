"""What the stage is set to, which outlives a restart of the server; and how it is asked for.

Each is made from a JSON object by `changed`, which keeps what the object does not name and raises
`Problem` (400) for what nothing can be set to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, cast

from realtime_demo.tap.network import Network
from transports.http.problems import Problem
from transports.registry import BY_NAME

Arrivals = Literal["poisson", "fixed"]

ROUND_TRIP = 10_000.0  # ms, the longest
BANDWIDTH = (1.0, 1_000_000.0)  # kB/s
RATE = (0.1, 100.0)  # events a second
BURST = 1_000  # events, the most


class Setting:
    """What the settings have in common."""

    @property
    def document(self) -> dict[str, Any]:
        return asdict(cast(Any, self))


@dataclass(frozen=True)
class Path(Setting):
    """The network laid on the techniques' connections.

    `rtt` and `jitter` (each way) in milliseconds, `bandwidth` in kB/s (1,000 bytes), None: any.
    """

    rtt: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None

    @property
    def network(self) -> Network:
        bandwidth = math.inf if self.bandwidth is None else self.bandwidth * 1000
        return Network.of(self.rtt / 1000, self.jitter / 1000, bandwidth)

    def changed(self, document: Mapping[str, Any]) -> Self:
        only(document, "rtt", "jitter", "bandwidth")
        bandwidth = document.get("bandwidth", self.bandwidth)
        if bandwidth is not None:
            bandwidth = number(document, "bandwidth", bandwidth, BANDWIDTH)
        return replace(
            self,
            rtt=number(document, "rtt", self.rtt, (0, ROUND_TRIP)),
            jitter=number(document, "jitter", self.jitter, (0, ROUND_TRIP)),
            bandwidth=bandwidth,
        )


@dataclass(frozen=True)
class Feed(Setting):
    """The generated conversation: `rate` events a second in `room`, at random or on the beat."""

    running: bool = True
    rate: float = 1.0
    room: str = "lobby"
    arrivals: Arrivals = "poisson"

    def changed(self, document: Mapping[str, Any]) -> Self:
        only(document, "running", "rate", "room", "arrivals")
        arrivals = document.get("arrivals", self.arrivals)
        if arrivals not in ("poisson", "fixed"):
            raise Problem(400, "arrivals", "'arrivals' is poisson or fixed.")
        return replace(
            self,
            running=flag(document, "running", self.running),
            rate=number(document, "rate", self.rate, RATE),
            room=document.get("room", self.room),
            arrivals=arrivals,
        )


@dataclass(frozen=True)
class Faults(Setting):
    """What is wrong on the way: a proxy that buffers, a middleware that compresses."""

    buffering: bool = False
    gzip: bool = False

    def changed(self, document: Mapping[str, Any]) -> Self:
        only(document, "buffering", "gzip")
        return replace(
            self,
            buffering=flag(document, "buffering", self.buffering),
            gzip=flag(document, "gzip", self.gzip),
        )


# --- Members of a JSON object -------------------------------------------------------------
def only(document: Mapping[str, Any], *names: str) -> None:
    """Raise `Problem` for a member that nothing is known of: a slip of the pen, most often."""
    for name in document:
        if name not in names:
            known = ", ".join(names) or "nothing"
            raise Problem(400, "member", f"{name[:40]!r} is not known here; {known} is.")


def number(
    document: Mapping[str, Any], name: str, default: float, between: tuple[float, float]
) -> float:
    value = document.get(name, default)
    least, most = between
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Problem(400, name, f"'{name}' is a number from {least:g} to {most:g}.")
    return float(value)


def whole_number(document: Mapping[str, Any], name: str, most: int) -> int:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Problem(400, name, f"'{name}' is a whole number from 1 to {most}.")
    return value


def flag(document: Mapping[str, Any], name: str, default: bool | None = None) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise Problem(400, name, f"'{name}' is true or false.")
    return value


def technique(document: Mapping[str, Any]) -> str | None:
    """The technique that is meant; None: all of them."""
    name = document.get("technique")
    if name is not None and (not isinstance(name, str) or name not in BY_NAME):
        raise Problem(400, "technique", f"'technique' is one of {', '.join(BY_NAME)}.")
    return name


Server = Literal["starting", "up", "restarting"]
