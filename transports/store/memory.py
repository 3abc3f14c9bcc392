"""The history of one process, in its memory."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from transports.events import Batch, Cursor, Event, EventType
from transports.store.base import DAY, ROOM_TOKEN_LENGTH, STORE_TOKEN_LENGTH, Extent, new_token, now

ONCE_LENGTH = 100_000  # keys of `append_once` that are remembered in memory
GONE_LENGTH = 10_000  # rooms that gave way, which are told in memory from those that never were


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
