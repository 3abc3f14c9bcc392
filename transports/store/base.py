"""The history: the bounded, ordered log of each room. It is the truth.

Two of them stand behind one interface: in memory (`memory`) and in Redis Streams
(`redis`). `append` is one atomic step that gives the event its place.
"""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from transports.events import Batch, Cursor, Event, EventType

# An epoch is two tokens: one for the store, then one for the room's numbering in it. A room
# nobody has published in has only the first, so that a cursor taken there still tells a
# store that was lost from one that was merely empty.
STORE_TOKEN_LENGTH = 6
ROOM_TOKEN_LENGTH = 4
DAY = 24 * 3600  # seconds
_ALPHABET = string.ascii_lowercase + string.digits


class HistoryUnavailable(Exception):
    """The history cannot be reached now; try again in `retry_after` seconds."""

    retry_after = 1


def new_token(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def now() -> float:
    """Unix time in seconds, to the microsecond, on the server's clock."""
    return round(time.time(), 6)


class History(Protocol):
    """The interface of both histories. Every method raises `HistoryUnavailable`."""

    async def append(
        self,
        room: str,
        kind: EventType,
        sender: str,
        text: str,
        *,
        of: str | None = None,
        verified: bool = False,
    ) -> Event:
        """Give the event the room's next number and keep it, in one atomic step."""
        ...

    async def append_once(
        self,
        key: str,
        room: str,
        kind: EventType,
        sender: str,
        text: str,
        *,
        of: str | None = None,
        verified: bool = False,
        remember: int = DAY,
    ) -> Event | None:
        """As `append`, in the same atomic step, unless `key` has been taken: then None.

        A key is remembered for `remember` seconds, in memory for `ONCE_LENGTH` keys. So an
        append whose answer was lost can be tried again.
        """
        ...

    async def identity(self, key: str) -> str | None:
        """The id of the event that was appended under `key`; None where none is remembered."""
        ...

    async def rooms(self) -> list[str]:
        """The rooms that somebody has published in, sorted."""
        ...

    async def find(self, room: str, cursor: Cursor) -> Event | None:
        """The event whose id is `cursor`; None where there is none, or it is kept no longer."""
        ...

    async def read(self, room: str, since: Cursor | None) -> Batch:
        """The events behind `since`, with a `reset` where some can no longer be given.

        It comes first; in Redis also where a replica was promoted. Without `since`: the last
        `backlog` events.
        """
        ...

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        """The cursor of the last event of each room, in one round trip."""
        ...

    async def close(self) -> None: ...


class Resumption(NamedTuple):
    """Read on behind `start`; with `reset`, after telling that `missed` events are gone."""

    start: int
    reset: bool
    missed: int | None


@dataclass(frozen=True)
class Extent:
    """What a history holds of a room: the events `first` … `last` (none: `first > last`)."""

    epoch: str
    first: int
    last: int

    def resume(self, since: Cursor) -> Resumption:
        """How one who has everything up to `since` goes on."""
        if not since.belongs_to(self.epoch):
            return Resumption(self.first - 1, True, None)
        if since.seq < self.first - 1:
            return Resumption(self.first - 1, True, self.first - 1 - since.seq)
        if since.seq > self.last:  # a number not given yet: an older state was restored
            return Resumption(self.first - 1, True, None)
        return Resumption(since.seq, False, 0)

    def batch(self, room: str, since: Cursor, events: Iterable[Event]) -> Batch:
        """What follows `since`, from all the events there are, with its `reset` if need be."""
        start, is_reset, missed = self.resume(since)
        following = islice(events, start - self.first + 1, None)
        told = (reset(room, Cursor(self.epoch, start), missed),) if is_reset else ()
        return Batch(room, Cursor(self.epoch, self.last), (*told, *following))


def reset(room: str, place: Cursor, missed: int | None) -> Event:
    """The event that tells a subscriber what it can no longer be given before `place`."""
    what = "Events" if missed is None else f"{missed} event{'' if missed == 1 else 's'}"
    return Event(
        id=str(place),
        type="reset",
        room=room,
        sender="",
        text=f"{what} before this point can no longer be given.",
        published_at=now(),
        missed=missed,
    )
