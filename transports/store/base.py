"""The interface of the stores: the bounded, ordered log of each room. It is the truth."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from transports.events import Batch, Cursor, Draft, Event

# An epoch is two tokens: one for the store, then one for the room's numbering in it. A room
# nobody has published in has only the first, so that a cursor taken there still tells a
# store that was lost from one that was merely empty.
STORE_TOKEN_LENGTH = 6
ROOM_TOKEN_LENGTH = 4
DAY = 24 * 3600  # seconds
_ALPHABET = string.ascii_lowercase + string.digits


class FeedUnavailable(Exception):
    """The feed cannot serve this now; try again."""


class StoreUnavailable(FeedUnavailable):
    """The store cannot be reached now."""


def new_token(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def now() -> float:
    """Unix time in seconds, to the microsecond, on the server's clock."""
    return round(time.time(), 6)


class Store(Protocol):
    """Every method but `close` raises `StoreUnavailable`."""

    async def append(self, draft: Draft) -> Event:
        """Give the event the room's next number and keep it, in one atomic step."""
        ...

    async def append_once(self, key: str, draft: Draft, remember: int = DAY) -> Event | None:
        """As `append`, in the same atomic step, unless `key` has been taken: then None.

        A key is remembered for `remember` seconds, so that an append whose answer was lost can
        be tried again.
        """
        ...

    async def identity(self, key: str) -> str | None:
        """The id of the event that was appended under `key`; None where none is remembered."""
        ...

    async def rooms(self) -> list[str]:
        """The rooms that have been published in, sorted."""
        ...

    async def find(self, room: str, cursor: Cursor) -> Event | None:
        """The event whose id is `cursor`; None where the room has none, or has trimmed it."""
        ...

    async def read(self, room: str, since: Cursor | None) -> Batch:
        """The events after `since`, behind a `reset` where some have been trimmed.

        In Redis also where a replica was promoted. Without `since`: the last `BACKLOG_LENGTH`.
        """
        ...

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        """The cursor of the last event of each room, in one round trip."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Extent:
    """What a store holds of a room: the events `first` … `last` (none: `first > last`)."""

    epoch: str
    first: int
    last: int

    def batch(self, room: str, since: Cursor, events: Iterable[Event]) -> Batch:
        """What follows `since`, from all the events there are, with its `reset` if need be.

        Only within one numbering is it known how many events are missing. A number that has not
        been given yet is of a numbering that was lost: an older state was restored.
        """
        start = self.first - 1
        told: tuple[Event, ...] = ()
        if not since.belongs_to(self.epoch) or since.seq > self.last:
            told = (reset(room, Cursor(self.epoch, start), None),)
        elif since.seq < start:
            told = (reset(room, Cursor(self.epoch, start), start - since.seq),)
        else:
            start = since.seq
        following = islice(events, start - self.first + 1, None)
        return Batch(room, Cursor(self.epoch, self.last), (*told, *following))


def reset(room: str, place: Cursor, missed: int | None) -> Event:
    """Return the event that tells a subscriber how many events before `place` were trimmed."""
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
