"""The interface of the stores: the bounded, ordered log of each room."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol

from transports.events import Batch, Cursor, Draft, Event

# An epoch is two tokens: one for the store, then one for the room's numbering in it. An empty
# room has only the first, so that its cursor distinguishes a lost store from an empty one.
STORE_TOKEN_LENGTH = 6
ROOM_TOKEN_LENGTH = 4
DAY = 24 * 3600  # seconds
_ALPHABET = string.ascii_lowercase + string.digits


class FeedUnavailable(Exception):
    """The feed is temporarily unavailable."""


class StoreUnavailable(FeedUnavailable):
    """The store is temporarily unavailable."""


def new_token(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def group_of(room: str) -> str:
    return f"room.{room}"


def now() -> float:
    """Return Unix time in seconds, to the microsecond, on the server's clock."""
    return time.time_ns() // 1_000 / 1e6  # a tenth of the time that round() takes


class Store(Protocol):
    """A store of events. Every method but `close` raises `StoreUnavailable`."""

    wakes: bool  # whether an append also sends the channel layer's message, in the same step

    async def append(self, draft: Draft) -> Event:
        """Number the event and store it, in one atomic step; return it."""
        ...

    async def append_once(self, key: str, draft: Draft, remember: int = DAY) -> Event | None:
        """Append and store `key`, in one atomic step; return None if `key` has been used.

        A key expires after `remember` seconds. It lets a client retry an append whose response
        was lost.
        """
        ...

    async def identity(self, room: str, key: str) -> str | None:
        """Return the id of the event appended to `room` under `key`; None if unknown or expired."""
        ...

    async def rooms(self) -> list[str]:
        """Return the rooms that have events, sorted."""
        ...

    async def find(self, room: str, cursor: Cursor) -> Event | None:
        """Return the event with the id `cursor`; None if it is unknown or trimmed."""
        ...

    async def read(self, room: str, since: Cursor | None) -> Batch:
        """Return the events after `since`, preceded by a `reset` if some have been trimmed.

        In Redis, a promoted replica causes a `reset` too. Without `since`, return the last
        `BACKLOG_LENGTH` events.
        """
        ...

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        """Return the cursor of the last event of each room, in one round trip."""
        ...

    async def close(self) -> None: ...


class Extent(NamedTuple):
    """The events of a room in a store, `first` … `last` (none if `first > last`)."""

    epoch: str
    first: int
    last: int

    def batch(self, room: str, since: Cursor, events: Iterable[Event]) -> Batch:
        """Return those of `events` after `since`, preceded by a `reset` if some are missing.

        The number of missing events is known only within one epoch. A `seq` after `last` belongs
        to a lost epoch: an older state was restored.
        """
        if since == (self.epoch, self.last):
            return empty_batch(room, since)
        start = self.first - 1
        resets: tuple[Event, ...] = ()
        if not since.belongs_to(self.epoch) or since.seq > self.last:
            resets = (reset(room, Cursor(self.epoch, start), None),)
        elif since.seq < start:
            resets = (reset(room, Cursor(self.epoch, start), start - since.seq),)
        else:
            start = since.seq
        following = islice(events, start - self.first + 1, None) if start < self.last else ()
        return Batch(room, Cursor(self.epoch, self.last), (*resets, *following))


@lru_cache(maxsize=1024)
def empty_batch(room: str, cursor: Cursor) -> Batch:
    """Return the empty batch at `cursor`. All polls share it, so that it is encoded once."""
    return Batch(room, cursor)


def reset(room: str, cursor: Cursor, missed: int | None) -> Event:
    """Return a `reset`: `missed` events up to `cursor` were trimmed (None: unknown)."""
    events = "Events" if missed is None else f"{missed} event{'' if missed == 1 else 's'}"
    return Event(
        id=str(cursor),
        type="reset",
        room=room,
        sender="",
        text=f"{events} before this point can no longer be sent.",
        published_at=now(),
        missed=missed,
    )
