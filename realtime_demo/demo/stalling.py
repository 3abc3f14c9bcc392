"""Connections that have gone dead without a word, as when a NAT has forgotten them."""

from __future__ import annotations

from weakref import WeakSet

from realtime_demo.tap.proxy import Connection, Tap
from transports.registry import BY_NAME

from .labels import POLLED


class Stalling:
    """Stalls what a technique has open now; what it opens later is let through.

    A connection that waits between two polls is not stalled until the next poll: the browser
    may use it for something else, for the page's own controls too.
    """

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._pending: WeakSet[Connection] = WeakSet()

    @property
    def stalled(self) -> list[str]:
        """The techniques of which a connection is stalled, or will be by its next request."""
        names = {c.label for c in self._tap.connections if c.stalled or c in self._pending}
        return [name for name in BY_NAME if name in names]

    def set(self, on: bool, technique: str | None) -> None:
        for name in [technique] if technique else BY_NAME:
            for connection in self._tap.labelled(name):
                if not on:
                    self._pending.discard(connection)
                    connection.resume()
                elif name in POLLED and not is_asking(connection):
                    self._pending.add(connection)
                else:
                    connection.stall()

    def observe(self, connection: Connection) -> None:
        """Called when a client has sent something."""
        if connection in self._pending and connection.label in POLLED:
            self._pending.discard(connection)
            connection.stall()


def is_asking(connection: Connection) -> bool:
    """Whether a request of the connection waits for its response."""
    up, down = connection.up.pieces, connection.down.pieces
    return bool(up) and (not down or down[-1].time < up[-1].time)
