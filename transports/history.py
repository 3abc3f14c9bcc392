"""The history: the bounded, ordered log of each room. It is the truth.

Two of them stand behind one interface: in memory (this module) and in Redis Streams
(`redis_history`). `append` is one atomic step that gives the event its place.
"""

from __future__ import annotations

import secrets
import string
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from .cursors import Cursor
from .events import Batch, Event, EventType

# An epoch is two tokens: one for the store, then one for the room's numbering in it. A room
# nobody has published in has only the first, so that a cursor taken there still tells a
# store that was lost from one that was merely empty.
STORE_TOKEN_LENGTH = 6
ROOM_TOKEN_LENGTH = 4
DAY = 24 * 3600  # seconds
ONCE_LENGTH = 100_000  # keys of `append_once` that are remembered in memory
GONE_LENGTH = 10_000  # rooms that gave way, which are told in memory from those that never were
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


@dataclass
class _Room:
    epoch: str
    events: deque[Event]
    last: int = 0

    @property
    def extent(self) -> Extent:
        return Extent(self.epoch, self.last - len(self.events) + 1, self.last)


@dataclass
class MemoryHistory:
    """The history of one process: `length` events a room, `max_rooms` rooms.

    The room longest out of use gives way to a new one; its numbering then starts over, which
    its subscribers are told by a `reset`. So is who holds the place before its first event: its
    next epoch begins with another token than the store's.
    """

    length: int
    backlog: int
    max_rooms: int
    _token: str = field(default_factory=lambda: new_token(STORE_TOKEN_LENGTH))
    _rooms: OrderedDict[str, _Room] = field(default_factory=OrderedDict)
    _gone: dict[str, str] = field(default_factory=dict)  # the tokens of rooms that gave way
    # By key: the id, and until when it is remembered, on `time.monotonic`.
    _once: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)

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
        log = self._touch(room)
        if log is None:
            epoch = self._empty(room).epoch + new_token(ROOM_TOKEN_LENGTH)
            log = self._rooms[room] = _Room(epoch, deque(maxlen=self.length))
            if len(self._rooms) > self.max_rooms:
                self._give_way()
        event = Event(
            str(Cursor(log.epoch, log.last + 1)),
            kind,
            room,
            sender,
            text,
            now(),
            of=of,
            verified=verified,
        )
        log.last += 1
        log.events.append(event)
        return event

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
        if await self.identity(key) is not None:
            return None
        event = await self.append(room, kind, sender, text, of=of, verified=verified)
        self._once[key] = event.id, time.monotonic() + remember
        if len(self._once) > ONCE_LENGTH:
            self._once.popitem(last=False)
        return event

    async def identity(self, key: str) -> str | None:
        identity, until = self._once.get(key, (None, 0.0))
        if identity is not None and time.monotonic() >= until:
            del self._once[key]
            return None
        return identity

    async def rooms(self) -> list[str]:
        return sorted(self._rooms)

    async def find(self, room: str, cursor: Cursor) -> Event | None:
        log = self._rooms.get(room)
        if log is None or log.epoch != cursor.epoch:
            return None
        place = cursor.seq - log.extent.first
        return log.events[place] if 0 <= place < len(log.events) else None

    async def read(self, room: str, since: Cursor | None) -> Batch:
        log = self._touch(room)
        events: Iterable[Event] = log.events if log is not None else ()
        extent = log.extent if log is not None else Extent(self._empty(room).epoch, 1, 0)
        if since is None:
            since = Cursor(extent.epoch, max(extent.first - 1, extent.last - self.backlog))
        return extent.batch(room, since, events)

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        heads = {}
        for room in rooms:
            log = self._touch(room)
            heads[room] = Cursor(log.epoch, log.last) if log else self._empty(room)
        return heads

    async def close(self) -> None:
        """Nothing to close."""

    def _empty(self, room: str) -> Cursor:
        """The place before the first event of a room that has none."""
        return Cursor(self._gone.get(room, self._token), 0)

    def _give_way(self) -> None:
        room, _ = self._rooms.popitem(last=False)
        if len(self._gone) == GONE_LENGTH:  # too many to tell: every empty room has another place
            self._gone.clear()
            self._token = new_token(STORE_TOKEN_LENGTH)
        self._gone[room] = new_token(STORE_TOKEN_LENGTH)

    def _touch(self, room: str) -> _Room | None:
        log = self._rooms.get(room)
        if log is not None:
            self._rooms.move_to_end(room)
        return log
