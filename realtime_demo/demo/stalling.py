"""Half-open connections, as when a NAT drops their entries."""

from __future__ import annotations

from weakref import WeakSet

from realtime_demo.tap.proxy import Connection, Tap
from transports.registry import BY_NAME

from .labels import POLLED


class Stalling:
    """Stalls the open connections of a technique, but not those opened later.

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
    up, down = connection.up.pieces, connection.down.pieces
    return bool(up) and (not down or down[-1].time < up[-1].time)
