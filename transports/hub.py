"""The hub: one per process and event loop, the single reader of the channel layer.

The channel layer is fast and lossy: it drops messages over its capacity, and all of them
while Redis is away, and tells nobody. So a message is only a wake-up that saves a read.
What a room has missed shows as a hole in its dense numbering, or in the regular look at the
history's heads, and is read from the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import BaseChannelLayer

from transports import feed
from transports.conf import conf
from transports.events import Batch, Cursor, Event
from transports.feed import group_of
from transports.store.base import FeedUnavailable, Store, StoreUnavailable, now
from transports.tail import Tail
from transports.telemetry import telemetry

logger = logging.getLogger(__name__)

TAIL_LENGTH = 256  # events
SWEEP_INTERVAL = 1.0  # seconds between looks at the history's heads
LINGER = 30.0  # seconds a room stays joined after its last user: long polls come back
PING_PATIENCE = 5.0  # seconds after which a silent channel layer is joined anew
GROUP_REFRESH = 600.0  # seconds between joins; the layer forgets who has not for an hour
LAYER_PATIENCE = 2.0  # seconds that a new room, or a sweep, waits for the channel layer
LEAVING = 1.0  # seconds at most, of an orderly stop
BACK_OFF = (0.1, 5.0)  # seconds: first and longest pause between attempts at the layer


class TooManyRooms(FeedUnavailable):
    """Every room that this process may hold is in use."""


@dataclass
class Statistics:
    """Counted since the process started."""

    received: int = 0  # events from the channel layer
    refills: int = 0  # reads of the history to fill a hole
    rejoins: int = 0  # times the channel layer was joined anew


@dataclass
class Hub:
    """Keeps a `Tail` for each room in use. Everything in it happens on one event loop."""

    layer: BaseChannelLayer
    store: Store
    backlog: int
    max_rooms: int
    closing: bool = False
    statistics: Statistics = field(default_factory=Statistics)
    _tails: dict[str, Tail] = field(default_factory=dict)
    _loading: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _arrived: dict[str, list[Event]] = field(default_factory=dict)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)
    _channel: str = ""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _heard_at: float = 0.0
    _joined_at: float = 0.0
    _unheard: set[str] = field(default_factory=set)  # rooms of which a message did not come
    _joined: asyncio.Event = field(default_factory=asyncio.Event)

    # --- Rooms in use ---------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def using(self, room: str) -> AsyncIterator[Tail]:
        """The room's tail, joined and loaded, kept while the block lasts.

        Raises `StoreUnavailable` and `TooManyRooms`.
        """
        tail = self._tails.get(room)
        if tail is None:
            self._make_room()
            tail = self._tails[room] = Tail(room, TAIL_LENGTH, self.backlog)
        tail.users += 1
        try:
            while tail.head is None:
                await asyncio.shield(self._load(tail))
            yield tail
        finally:
            tail.users -= 1
            tail.idle_since = asyncio.get_running_loop().time()

    @property
    def users(self) -> int:
        """Subscribers and waiting requests of this process."""
        return sum(tail.users for tail in self._tails.values())

    @property
    def connections(self) -> dict[str, int]:
        """The same, for each room that has any."""
        return {tail.room: tail.users for tail in self._tails.values() if tail.users}

    @property
    def rooms(self) -> int:
        return len(self._tails)

    def _make_room(self) -> None:
        if len(self._tails) < self.max_rooms:
            return
        idle = [tail for tail in self._tails.values() if not tail.users]
        if not idle:
            raise TooManyRooms(f"{self.max_rooms} rooms are in use here, as many as may be.")
        self._drop(min(idle, key=lambda tail: tail.idle_since))

    def _drop(self, tail: Tail) -> None:
        del self._tails[tail.room]
        leaving = self._spawn(self._leave(tail.room))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _leave(self, room: str) -> None:
        with contextlib.suppress(Exception):  # the group forgets us by itself in time
            if room not in self._tails:
                await self.layer.group_discard(group_of(room), self._channel)
            if room in self._tails:  # it came back into use meanwhile
                await self.layer.group_add(group_of(room), self._channel)

    # --- From the history -----------------------------------------------------------------

    def _load(self, tail: Tail) -> asyncio.Task[None]:
        """Bring the tail up to the history; one at a time for each room."""
        task = self._loading.get(tail.room)
        # One that is done is of the room's former tail, and its callback is yet to come.
        if task is None or task.done():
            task = self._loading[tail.room] = self._spawn(self._read_history(tail))
            task.add_done_callback(lambda done: self._loaded(tail.room, done))
        return task

    def _loaded(self, room: str, done: asyncio.Task[None]) -> None:
        if self._loading.get(room) is done:
            del self._loading[room]
        if not done.cancelled() and (error := done.exception()):
            # Who waits for it hears of it too; the next sweep tries again.
            logger.warning("The history of %s could not be read (%s).", room, error)

    async def _read_history(self, tail: Tail) -> None:
        # Join first, read second, drop what overlaps: what is published between the two
        # arrives by the channel layer and is kept in `_arrived`.
        self._arrived[tail.room] = []
        try:
            if tail.head is None:
                await self._join(tail.room)
            whole = False
            while not whole:
                tail.extend(await self.store.read(tail.room, tail.head))
                arrived, self._arrived[tail.room] = self._arrived[tail.room], []
                whole = all(tail.append(event) for event in arrived)
        finally:
            del self._arrived[tail.room]

    async def _join(self, room: str) -> None:
        if self.closing:
            return
        if not self._tasks:
            self._tasks = [self._spawn(self._listen()), self._spawn(self._sweep())]
        # Without the layer the room is served all the same, by the sweeps.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(LAYER_PATIENCE):
                await self._joined.wait()
                await self.layer.group_add(group_of(room), self._channel)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # An empty context: the hub outlives the request that happened to start it.
        return asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())

    # --- From the channel layer -----------------------------------------------------------

    async def _listen(self) -> None:
        pause = BACK_OFF[0]
        while True:
            try:
                await self._join_anew()
                while True:
                    self._take(await self.layer.receive(self._channel))
                    pause = BACK_OFF[0]
            except Exception as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    return  # channels-redis can turn a cancellation into an AssertionError
                logger.warning("The channel layer failed (%r); joining anew.", error)
                self._joined.clear()
                self.statistics.rejoins += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, BACK_OFF[1])

    async def _join_anew(self) -> None:
        former, self._channel = self._channel, await self.layer.new_channel("hub")
        for room in list(self._tails):
            await self.layer.group_add(group_of(room), self._channel)
            if former:
                await self.layer.group_discard(group_of(room), former)
        self._heard_at = self._joined_at = asyncio.get_running_loop().time()
        self._joined.set()
        for tail in list(self._tails.values()):  # what came while nobody listened
            if tail.head is not None:
                self._load(tail)

    def _take(self, message: dict[str, Any]) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if message["type"] != "feed.event":
            return
        self.statistics.received += 1
        tail = self._tails.get(message["room"])
        if tail is None:
            return
        event = Event.decode(message["event"].encode())
        telemetry().received(now() - event.published_at)
        arrived = self._arrived.get(tail.room)
        if arrived is not None:
            arrived.append(event)
        elif tail.head is not None and not tail.append(event):
            self.statistics.refills += 1
            self._load(tail)

    # --- What nobody tells us -------------------------------------------------------------

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            for tail in list(self._tails.values()):
                if not tail.users and loop.time() - tail.idle_since > LINGER:
                    self._drop(tail)
            try:
                await self._compare_heads()
            # Whatever it is: this is the one loop that finds what nobody was told of.
            except Exception as error:
                logger.warning("The history is away (%r).", error)
            try:
                # A connection that says nothing is given up after 15 s, and for as long nobody
                # would look at the heads: the layer only wakes, and may not stop who does without.
                async with asyncio.timeout(LAYER_PATIENCE):
                    await self._ping(loop.time())
            except Exception as error:
                logger.warning("The channel layer is away (%r).", error)

    async def _compare_heads(self) -> None:
        tails = [tail for tail in self._tails.values() if tail.head is not None]
        if not tails:
            return
        before = {tail.room: tail.head for tail in tails}
        heads = await self.store.heads(before)
        for tail in tails:
            head: Cursor | None = heads[tail.room]
            # A head that moved since we asked is news on its way, not a loss.
            if head != tail.head and tail.head == before[tail.room]:
                self.statistics.refills += 1
                self._load(tail)
                self._unheard.add(tail.room)

    async def _ping(self, now: float) -> None:
        if now - self._heard_at > PING_PATIENCE:
            # A pub/sub layer says nothing of an outage: it only falls silent.
            self._joined.clear()
            await ended({self._tasks[0]})  # never two readers at once
            self.statistics.rejoins += 1
            self._heard_at = now
            self._tasks[0] = self._spawn(self._listen())
        else:
            # A message that did not come may have been sent to a group without us: a Redis
            # that was flushed has no groups, and one of a machine whose clock leapt ahead has
            # forgotten the members that joined before.
            again, self._unheard = self._unheard, set()
            if now - self._joined_at > GROUP_REFRESH:
                self._joined_at = now
                again = set(self._tails)
            for room in again & self._tails.keys():
                await self.layer.group_add(group_of(room), self._channel)
        await self.layer.send(self._channel, {"type": "hub.ping"})

    # --- The end --------------------------------------------------------------------------

    def close(self) -> None:
        """Wake everyone for the last time: waits return, subscriptions end."""
        self.closing = True
        for tail in self._tails.values():
            tail.wake()

    async def leave(self) -> None:
        """Close, and leave every group, for at most `LEAVING` seconds.

        Who does not is sent every event for as long as the layer remembers them, and nobody
        takes it.
        """
        self.close()
        leaving = self._spawn(self._leave_all())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.wait({leaving}, timeout=LEAVING)

    async def _leave_all(self) -> None:
        await ended({*self._tasks})
        if self._loading:  # who is about to join
            await asyncio.wait(self._loading.values())
        with contextlib.suppress(Exception):
            groups = [group_of(room) for room in self._tails]
            await asyncio.gather(*(self.layer.group_discard(g, self._channel) for g in groups))

    async def aclose(self) -> None:
        await self.leave()
        tasks = {*self._tasks, *self._loading.values(), *self._leaving}
        await ended(tasks)
        self._tasks = []


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current() -> Hub:
    """The running loop's hub, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(feed.layer(), feed.store(), conf.BACKLOG_LENGTH, conf.MAX_ROOMS)
    return hub


async def wait(room: str, since: Cursor | None, seconds: float) -> Batch:
    """As `history`, but held until thub is something, for at most `seconds`; then empty.

    Raises `StoreUnavailable` and `TooManyRooms`.
    """
    hub = current()
    async with hub.using(room) as tail:
        return await _next(hub, tail, since, seconds)


async def subscribe(
    room: str, since: Cursor | None = None, heartbeat: float = 15.0
) -> AsyncGenerator[Batch, None]:
    """One batch at once, perhaps empty, then one whenever thub is something.

    An empty one after `heartbeat` seconds in which thub was nothing. Whoever is slow to ask
    for the next gets all it missed in one. Ends when the feed closes. Raises
    `StoreUnavailable` and `TooManyRooms` before the first batch, never after it.
    """
    hub = current()
    async with hub.using(room) as tail:
        batch = await _next(hub, tail, since, 0)
        while True:
            yield batch
            try:
                batch = await _next(hub, tail, batch.cursor, heartbeat)
            except StoreUnavailable:
                # The subscriber stays, and receives what it missed when the store is back.
                await asyncio.sleep(1)
                batch = Batch(room, batch.cursor)
            if hub.closing and not batch.events:
                return


async def _next(hub: Hub, tail: Tail, since: Cursor | None, seconds: float) -> Batch:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        head = tail.head
        if head is not None and since is head and seconds and not hub.closing:
            # Up to date, as a subscriber is that comes back for more: nothing to look at yet.
            if not await tail.changed(deadline):
                return tail.after(since) or Batch(tail.room, since)
            head = tail.head
        batch = tail.after(since) or await hub.store.read(tail.room, since)
        if batch.events or hub.closing:
            return batch
        since = batch.cursor
        if asyncio.get_running_loop().time() >= deadline:
            return batch
        if tail.head == head and not await tail.changed(deadline):
            return batch


async def aclose() -> None:
    """Close the running loop's hub and store."""
    hub = _hubs.pop(asyncio.get_running_loop(), None)
    if hub is not None:
        await hub.aclose()
    await feed.aclose()


async def ended(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel until it takes: channels-redis and redis-py can swallow a cancellation."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.5)
