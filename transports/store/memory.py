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
    def head(self) -> Cursor:
        return Cursor(self.epoch, self.last)


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
            log = self._use(draft.room)
            if not log.last:
                log.epoch += new_token(ROOM_TOKEN_LENGTH)
                self._rooms[draft.room] = log
                if len(self._rooms) > self.max_rooms:
                    self._evict()
            log.last += 1
            cursor = log.head
            event = draft.event(str(cursor), now())
            event.__dict__["cursor"] = cursor  # else every publish would parse it
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
            later = log.last - cursor.seq
            return log.events[-1 - later] if 0 <= later < len(log.events) else None

    async def read(self, room: str, since: Cursor | None) -> Batch:
        with self._lock:
            log = self._use(room)
            length = len(log.events)
            if since is None:
                since = Cursor(log.epoch, log.last - min(length, self.backlog))
            return Extent(log.epoch, log.last - length + 1, log.last).batch(room, since, log.events)

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        with self._lock:
            return {room: self._use(room).head for room in rooms}

    async def close(self) -> None:
        """Do nothing."""

    def _evict(self) -> None:
        room, _ = self._rooms.popitem(last=False)
        if len(self._evicted) == EVICTED_LENGTH:  # full: start a new epoch for every empty room
            self._evicted.clear()
            self._token = new_token(STORE_TOKEN_LENGTH)
        self._evicted[room] = new_token(STORE_TOKEN_LENGTH)

    def _use(self, room: str) -> _Room:
        """Return the room and mark it as used; if it is empty, return one that is not stored."""
        log = self._rooms.get(room)
        if log is None:
            return _Room(self._evicted.get(room, self._token), deque(maxlen=self.length))
        self._rooms.move_to_end(room)
        return log
