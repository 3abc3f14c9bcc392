"""Cursors: a place in a room's feed, opaque to clients."""

from __future__ import annotations

import re
from typing import NamedTuple

_CURSOR = re.compile(r"([a-z0-9]{1,16})-(0|[1-9][0-9]{0,14})", re.ASCII)
MAX_CURSOR_LENGTH = 32


class InvalidCursor(ValueError):
    """The text is not a cursor this project could ever have handed out."""


class Cursor(NamedTuple):
    """`<epoch>-<seq>`: the place just behind event `seq` of one numbering of a room.

    `epoch` names the numbering: it changes when the numbering starts over, so that a
    number is never taken for another event's. `seq` is dense (1, 2, 3 …); 0 is the
    place before the first event.
    """

    epoch: str
    seq: int

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor; raises `InvalidCursor` for anything else, however odd."""
        match = _CURSOR.fullmatch(text) if len(text) <= MAX_CURSOR_LENGTH else None
        if match is None:
            raise InvalidCursor(
                f"A cursor looks like 'k3f9-42', the id of an event; got {text[:40]!r}."
            )
        return cls(match[1], int(match[2]))

    def belongs_to(self, epoch: str) -> bool:
        """Whether this is a place in the numbering `epoch`.

        A room nobody has published in yet has the epoch of its store, with which the epochs
        of all its rooms begin: its place 0 is the place before their first event.
        """
        return self.epoch == epoch or (self.seq == 0 and epoch.startswith(self.epoch))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"
