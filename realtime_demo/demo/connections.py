"""The connections of the tap: their labels, and half-open ones.

The label of a request, for the tap's counts, is its technique, `PAGE` or `OTHER`.
"""

from __future__ import annotations

import math
import re
from weakref import WeakSet

from django.conf import settings

from realtime_demo.tap.proxy import Connection, Tap
from transports.registry import BY_NAME, TECHNIQUES

PAGE = "page"  # the connection that each open page keeps for the demo's state
OTHER = "other"  # the page, its scripts, publishing, the demo's controls
STREAMS = tuple(technique.name for technique in TECHNIQUES if technique.is_stream)
POLLED = tuple(technique.name for technique in TECHNIQUES if technique.is_polled)

_PATHS = [
    (re.compile("/stage/live/"), PAGE),
    *(
        (re.compile(re.escape(technique.path).replace(r"\{room\}", "[^/]+")), technique.name)
        for technique in TECHNIQUES
    ),
]


def label_of(target: str) -> str:
    """Return the label of a request target (`/polling/lobby/?since=…`)."""
    path = target.partition("?")[0].removeprefix(settings.FORCE_SCRIPT_NAME or "")
    for pattern, name in _PATHS:
        if pattern.fullmatch(path):
            return name
    return OTHER


class Stalling:
    """Stalls the open connections of a technique, but not those opened later.

    A stalled connection is half-open, as when a NAT drops its entry.

    A connection between two polls is stalled at its next poll: until then, the browser may use
    it for other requests, such as the page's controls.
    """

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._pending: WeakSet[Connection] = WeakSet()

    @property
    def stalled(self) -> list[str]:
        """The techniques with a connection that is stalled, or will be at its next request."""
        names = {c.label for c in self._tap.connections if c.stalled or c in self._pending}
        return [name for name in BY_NAME if name in names]

    def set(self, on: bool, technique: str | None) -> None:
        """Stall (`on`) or resume the connections of a technique, or of all."""
        for name in [technique] if technique else BY_NAME:
            for connection in self._tap.labelled(name):
                if not on:
                    self._pending.discard(connection)
                    connection.resume()
                elif name in POLLED and not awaits_response(connection):
                    self._pending.add(connection)
                else:
                    connection.stall()

    def observe(self, connection: Connection) -> None:
        """Stall a pending connection whose client has sent a poll; called for bytes up."""
        if connection in self._pending and connection.label in POLLED:
            self._pending.discard(connection)
            connection.stall()


def awaits_response(connection: Connection) -> bool:
    """Return whether the last request on the connection has no response yet."""
    crossed = connection.crossed
    return "up" in crossed and crossed.get("down", -math.inf) < crossed["up"]
