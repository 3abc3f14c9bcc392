"""Store of a single process, in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from transports.conf import conf
from transports.events import Batch, Cursor, Draft, Event
from transports.store.base import (
    DAY,
    ROOM_TOKEN_LENGTH,
    STORE_TOKEN_LENGTH,
    Extent,
    new_token,
    now,
)

ONCE_LENGTH = 100_000  # keys of `append_once` kept
EVICTED_LENGTH = 10_000  # evicted rooms kept, to distinguish them from rooms that never existed


@dataclass
class _Room:
    epoch: str
    events: deque[Event]
    last: int = 0

    @property
    def extent(self) -> Extent:
        return Extent(self.epoch, self.last - len(self.events) + 1, self.last)


@dataclass
class MemoryStore:
    """A store of `length` events a room, for `max_rooms` rooms.

    Rooms are evicted least recently used first. An evicted room starts a new epoch, which begins
    with another token than the store's, so that stale cursors receive a `reset`. The event loops
    of several threads may share a store.
    """

    length: int
    backlog: int
    max_rooms: int
    wakes = False
    _token: str = field(default_factory=lambda: new_token(STORE_TOKEN_LENGTH))
    _rooms: OrderedDict[str, _Room] = field(default_factory=OrderedDict)
    _evicted: dict[str, str] = field(default_factory=dict)  # the tokens of evicted rooms
    # By key: the event's id, and its expiry in seconds on `time.monotonic`.
    _once: OrderedDict[str, tuple[str, float]] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @classmethod
    @cache
    def from_settings(cls) -> MemoryStore:
        """Return the process's store, shared by all event loops."""
        return cls(conf.HISTORY_LENGTH, conf.BACKLOG_LENGTH, conf.MAX_ROOMS)

    async def append(self, draft: Draft) -> Event:
        with self._lock:
            log = self._touch(draft.room)
            if log is None:
                epoch = self._empty(draft.room).epoch + new_token(ROOM_TOKEN_LENGTH)
                log = self._rooms[draft.room] = _Room(epoch, deque(maxlen=self.length))
                if len(self._rooms) > self.max_rooms:
                    self._evict()
            log.last += 1
            event = draft.event(str(Cursor(log.epoch, log.last)), now())
            log.events.append(event)
            return event

    async def append_once(self, key: str, draft: Draft, remember: int = DAY) -> Event | None:
        with self._lock:
            if await self.identity(draft.room, key) is not None:
                return None
            event = await self.append(draft)
            self._once[key] = event.id, time.monotonic() + remember
            if len(self._once) > ONCE_LENGTH:
                self._once.popitem(last=False)
            return event

    async def identity(self, room: str, key: str) -> str | None:
        with self._lock:
            identity, expires_at = self._once.get(key, (None, 0.0))
            if identity is not None and time.monotonic() >= expires_at:
                del self._once[key]
                return None
            return identity

    async def rooms(self) -> list[str]:
        with self._lock:
            return sorted(self._rooms)

    async def find(self, room: str, cursor: Cursor) -> Event | None:
        with self._lock:
            log = self._rooms.get(room)
            if log is None or log.epoch != cursor.epoch:
                return None
            index = cursor.seq - log.extent.first
            return log.events[index] if 0 <= index < len(log.events) else None

    async def read(self, room: str, since: Cursor | None) -> Batch:
        with self._lock:
            log = self._touch(room)
            events: Iterable[Event] = log.events if log is not None else ()
            extent = log.extent if log is not None else Extent(self._empty(room).epoch, 1, 0)
            if since is None:
                since = Cursor(extent.epoch, max(extent.first - 1, extent.last - self.backlog))
            return extent.batch(room, since, events)

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        with self._lock:
            heads = {}
            for room in rooms:
                log = self._touch(room)
                heads[room] = Cursor(log.epoch, log.last) if log else self._empty(room)
            return heads

    async def close(self) -> None:
        """Do nothing."""

    def _empty(self, room: str) -> Cursor:
        """Return the cursor of an empty room."""
        return Cursor(self._evicted.get(room, self._token), 0)

    def _evict(self) -> None:
        room, _ = self._rooms.popitem(last=False)
        if len(self._evicted) == EVICTED_LENGTH:  # full: start a new epoch for every empty room
            self._evicted.clear()
            self._token = new_token(STORE_TOKEN_LENGTH)
        self._evicted[room] = new_token(STORE_TOKEN_LENGTH)

    def _touch(self, room: str) -> _Room | None:
        log = self._rooms.get(room)
        if log is not None:
            self._rooms.move_to_end(room)
        return log
