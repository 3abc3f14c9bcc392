"""The hub: the single reader of the channel layer in a process and event loop.

The channel layer is fast and lossy: it drops messages over its capacity, and all of them while
Redis is unavailable, without an error. So a message only wakes the hub and saves a read. The hub
detects lost messages by a gap in the dense numbering, or by the periodic comparison with the
history's heads, and reads the missing events from the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import BaseChannelLayer

from transports import feed
from transports.conf import conf
from transports.events import Batch, Cursor, Event
from transports.store.base import FeedUnavailable, Store, StoreUnavailable, group_of, now
from transports.tail import Tail, Until
from transports.telemetry import telemetry

logger = logging.getLogger(__name__)

TAIL_LENGTH = 256  # events
SWEEP_INTERVAL = 1.0  # seconds between comparisons with the history's heads
# Seconds between comparisons if appends also wake, and the layer reports its losses: then only a
# flush of Redis needs a comparison to be noticed.
CERTAIN_INTERVAL = 15.0
LINGER = 30.0  # seconds a room stays joined after its last user: long polls reconnect
PING_TIMEOUT = 5.0  # seconds without a message after which the channel layer is joined again
GROUP_REFRESH = 600.0  # seconds between joins: the layer expires a member after an hour
LAYER_TIMEOUT = 2.0  # seconds that a new room, or a sweep, waits for the channel layer
LEAVE_TIMEOUT = 1.0  # seconds an orderly stop may take
BACK_OFF = (0.1, 5.0)  # seconds: first and longest pause between attempts at the layer


class TooManyRooms(FeedUnavailable):
    """All rooms that this process may hold are in use."""


@dataclass
class Statistics:
    """Counts since the process started."""

    received: int = 0  # events from the channel layer
    refills: int = 0  # reads of the history to fill a gap
    rejoins: int = 0  # times the channel layer was joined again


@dataclass
class Hub:
    """The `Tail`s of the rooms in use. All methods run on one event loop."""

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
    _received_at: float = 0.0
    _joined_at: float = 0.0
    _compared_at: float = float("-inf")
    _losses: int = 0  # of the layer, at the last comparison
    _missed: set[str] = field(default_factory=set)  # rooms with a lost message
    _joined: asyncio.Event = field(default_factory=asyncio.Event)

    # --- Rooms in use ---------------------------------------------------------------------

    def using(self, room: str) -> Tail:
        """Return the room's tail, which is joined, loaded and kept in an `async with` block.

        Raises `StoreUnavailable` and `TooManyRooms`.
        """
        tail = self._tails.get(room)
        if tail is None:
            self._evict_if_full()
            tail = self._tails[room] = Tail(room, TAIL_LENGTH, self.backlog, self._load)
        return tail

    @property
    def users(self) -> int:
        """The number of subscribers and waiting requests in this process."""
        return sum(tail.users for tail in self._tails.values())

    @property
    def connections(self) -> dict[str, int]:
        """The number of subscribers and waiting requests, by room in use."""
        return {tail.room: tail.users for tail in self._tails.values() if tail.users}

    @property
    def rooms(self) -> int:
        return len(self._tails)

    def _evict_if_full(self) -> None:
        if len(self._tails) < self.max_rooms:
            return
        idle = [tail for tail in self._tails.values() if not tail.users]
        if not idle:
            raise TooManyRooms(f"All rooms of a process are in use: the limit is {self.max_rooms}.")
        self._drop(min(idle, key=lambda tail: tail.idle_since))

    def _drop(self, tail: Tail) -> None:
        del self._tails[tail.room]
        leaving = self._spawn(self._leave(tail.room))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _leave(self, room: str) -> None:
        with contextlib.suppress(Exception):  # otherwise the membership expires
            if room not in self._tails:
                await self.layer.group_discard(group_of(room), self._channel)
            if room in self._tails:  # in use again
                await self.layer.group_add(group_of(room), self._channel)

    # --- From the history -----------------------------------------------------------------

    def _load(self, tail: Tail) -> asyncio.Task[None]:
        """Start a task that reads the history into the tail, unless one is running."""
        task = self._loading.get(tail.room)
        # A finished task belongs to the room's former tail; its callback has yet to run.
        if task is None or task.done():
            task = self._loading[tail.room] = self._spawn(self._read_history(tail))
            task.add_done_callback(lambda done: self._loaded(tail.room, done))
        return task

    def _loaded(self, room: str, done: asyncio.Task[None]) -> None:
        if self._loading.get(room) is done:
            del self._loading[room]
        if not done.cancelled() and (error := done.exception()):
            # Waiting callers get the exception too; the next sweep retries.
            logger.warning("The history of %s could not be read (%s).", room, error)

    async def _read_history(self, tail: Tail) -> None:
        # Join first, read second, drop duplicates: an event published between the two
        # arrives by the channel layer and is kept in `_arrived`.
        self._arrived[tail.room] = []
        try:
            if tail.head is None:
                await self._join(tail.room)
            complete = False
            while not complete:
                tail.extend(await self.store.read(tail.room, tail.head))
                arrived, self._arrived[tail.room] = self._arrived[tail.room], []
                complete = all(tail.append(event) for event in arrived)
        finally:
            del self._arrived[tail.room]

    async def _join(self, room: str) -> None:
        if self.closing:
            return
        if not self._tasks:
            self._tasks = [self._spawn(self._listen()), self._spawn(self._sweep())]
        # Without the layer the sweeps serve the room.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(LAYER_TIMEOUT):
                await self._joined.wait()
                await self.layer.group_add(group_of(room), self._channel)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # An empty context: the hub outlives the request that started it.
        return asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())

    # --- From the channel layer -----------------------------------------------------------

    async def _listen(self) -> None:
        pause = BACK_OFF[0]
        while True:
            try:
                await self._rejoin()
                while True:
                    self._handle(await self.layer.receive(self._channel))
                    pause = BACK_OFF[0]
            except Exception as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    return  # channels-redis can turn a cancellation into an AssertionError
                logger.warning("The channel layer failed (%r); joining again.", error)
                self._joined.clear()
                self.statistics.rejoins += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, BACK_OFF[1])

    async def _rejoin(self) -> None:
        former, self._channel = self._channel, await self.layer.new_channel("hub")
        for room in list(self._tails):
            await self.layer.group_add(group_of(room), self._channel)
            if former:
                await self.layer.group_discard(group_of(room), former)
        self._received_at = self._joined_at = asyncio.get_running_loop().time()
        self._joined.set()
        for tail in list(self._tails.values()):  # events published meanwhile
            if tail.head is not None:
                self._load(tail)

    def accept(self, event: Event) -> bool:
        """Append an event that this process has published; return whether a tail has it.

        Otherwise the channel layer delivers the event: the tail lacks an earlier one, since
        concurrent publishes may return out of order.
        """
        tail = self._tails.get(event.room)
        if tail is None or tail.head is None or event.room in self._arrived:
            return False
        telemetry().received(now() - event.published_at)
        return tail.append(event)

    def _handle(self, message: dict[str, Any]) -> None:
        self._received_at = asyncio.get_running_loop().time()
        if message["type"] != "feed.event":
            return
        tail = self._tails.get(message["room"])
        lines = message["event"].split("\n")  # the events of one turn of the publishing loop
        self.statistics.received += len(lines)
        if tail is None or tail.contains(message["id"]):  # the last event's id
            return
        arrived = self._arrived.get(tail.room)
        for line in lines:
            event = Event.decode(line.encode())
            if tail.contains(event.id):
                continue
            telemetry().received(now() - event.published_at)
            if arrived is not None:
                arrived.append(event)
            elif tail.head is not None and not tail.append(event):
                self.statistics.refills += 1
                self._load(tail)
                return  # the history has the rest

    # --- Periodic checks ------------------------------------------------------------------

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            for tail in list(self._tails.values()):
                if not tail.users and loop.time() - tail.idle_since > LINGER:
                    self._drop(tail)
            try:
                await self._compare_heads()
            # Catch everything: without this loop lost messages would never be noticed.
            except Exception as error:
                logger.warning("The history is unavailable (%r).", error)
            try:
                # Bound the ping: a hung Redis socket times out only after 15 s, which must not
                # delay the sweep.
                async with asyncio.timeout(LAYER_TIMEOUT):
                    await self._ping(loop.time())
            except Exception as error:
                logger.warning("The channel layer is unavailable (%r).", error)

    async def _compare_heads(self) -> None:
        tails = [tail for tail in self._tails.values() if tail.head is not None]
        now, losses = asyncio.get_running_loop().time(), getattr(self.layer, "losses", 0)
        is_certain = self.store.wakes and self._joined.is_set() and losses == self._losses
        if not tails or (is_certain and now - self._compared_at < CERTAIN_INTERVAL):
            return
        before = {tail.room: tail.head for tail in tails}
        heads = await self.store.heads(before)
        for tail in tails:
            head: Cursor | None = heads[tail.room]
            # If the tail has moved meanwhile, messages are arriving: no loss.
            if head != tail.head and tail.head == before[tail.room]:
                self.statistics.refills += 1
                self._load(tail)
                self._missed.add(tail.room)
        self._compared_at, self._losses = now, losses

    async def _ping(self, now: float) -> None:
        if now - self._received_at > PING_TIMEOUT:
            # A pub/sub layer reports no outage: messages just stop arriving.
            self._joined.clear()
            await cancel_all({self._tasks[0]})  # never two readers at once
            self.statistics.rejoins += 1
            self._received_at = now
            self._tasks[0] = self._spawn(self._listen())
        else:
            # Join again after a lost message: this process may have dropped out of the group.
            # A flushed Redis has no groups, and a clock that leapt ahead expires the members.
            stale, self._missed = self._missed, set()
            if now - self._joined_at > GROUP_REFRESH:
                self._joined_at = now
                stale = set(self._tails)
            for room in stale & self._tails.keys():
                await self.layer.group_add(group_of(room), self._channel)
        if now - self._received_at > PING_TIMEOUT / 2:
            await self.layer.send(self._channel, {"type": "hub.ping"})

    # --- Stop -----------------------------------------------------------------------------

    def close(self) -> None:
        """Wake all waiters for the last time: waits return, subscriptions end."""
        self.closing = True
        for tail in self._tails.values():
            tail.wake()

    def end(self, room: str) -> None:
        """End the room's waits and subscriptions: clients reconnect, and are checked again."""
        tail = self._tails.get(room)
        if tail is not None:
            tail.generation += 1
            tail.wake()

    async def leave(self) -> None:
        """Close, and leave every group, within `LEAVE_TIMEOUT` seconds.

        Otherwise the layer queues events for a dead channel until `group_expiry`.
        """
        self.close()
        leaving = self._spawn(self._leave_all())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.wait({leaving}, timeout=LEAVE_TIMEOUT)

    async def _leave_all(self) -> None:
        await cancel_all({*self._tasks})
        if self._loading:  # these tasks may still join a group
            await asyncio.wait(self._loading.values())
        with contextlib.suppress(Exception):
            groups = [group_of(room) for room in self._tails]
            await asyncio.gather(*(self.layer.group_discard(g, self._channel) for g in groups))

    async def aclose(self) -> None:
        await self.leave()
        tasks = {*self._tasks, *self._loading.values(), *self._leaving}
        await cancel_all(tasks)
        self._tasks = []


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current() -> Hub:
    """Return the running loop's hub, created on first use."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub(feed.layer(), feed.store(), conf.BACKLOG_LENGTH, conf.MAX_ROOMS)
        feed.serve(hub.accept)
    return hub


async def wait(
    room: str, since: Cursor | None, seconds: float, until: Until | None = None
) -> Batch:
    """Return the events after `since`; wait up to `seconds` for one, then return an empty batch.

    With `until`, return an empty batch once `until()` returns: the client has disconnected. Raises
    `StoreUnavailable` and `TooManyRooms`.
    """
    hub = current()
    async with hub.using(room) as tail:
        return await _next(hub, tail, since, tail.loop.time() + seconds, tail.generation, until)


async def subscribe(
    room: str, since: Cursor | None = None, heartbeat: float = 15.0, lifetime: float = 0.0
) -> AsyncGenerator[Batch, None]:
    """Yield a batch at once, perhaps empty, then one for each change.

    After `heartbeat` seconds without an event, yield an empty batch. A slow subscriber receives
    everything it missed in one batch. Ends when the feed closes, and after `lifetime` seconds
    (0: never). Raises `StoreUnavailable` and `TooManyRooms` only before the first batch.
    """
    hub = current()
    async with hub.using(room) as tail:
        time, generation = tail.loop.time, tail.generation
        ends_at = time() + lifetime
        batch = await _next(hub, tail, since, time(), generation)
        while True:
            yield batch
            pause = min(heartbeat, ends_at - time()) if lifetime else heartbeat
            if pause <= 0:
                return
            deadline = time() + pause
            try:
                # Wait here, not in `_next`: a wake-up resumes each coroutine on the task's stack.
                if batch.cursor == tail.head and tail.generation == generation and not hub.closing:
                    await tail.waiter(deadline)
                batch = await _next(hub, tail, batch.cursor, deadline, generation)
            except StoreUnavailable:
                # Keep the subscription: it receives what it missed once the store is available.
                await asyncio.sleep(1)
                batch = Batch(room, batch.cursor)
            if tail.generation != generation or (hub.closing and not batch.events):
                return


async def _next(
    hub: Hub,
    tail: Tail,
    since: Cursor | None,
    deadline: float,
    generation: int,
    until: Until | None = None,
) -> Batch:
    while True:
        head = tail.head
        batch = tail.after(since) or await hub.store.read(tail.room, since)
        if batch.events or hub.closing or tail.generation != generation:
            return batch
        since = batch.cursor
        if tail.loop.time() >= deadline:
            return batch
        if tail.head == head and not await tail.changed(deadline, until):
            return batch


async def aclose() -> None:
    """Close the running loop's hub and store."""
    hub = _hubs.pop(asyncio.get_running_loop(), None)
    if hub is not None:
        await hub.aclose()
    await feed.aclose()


async def cancel_all(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel `tasks` every half second until all have ended.

    channels-redis and redis-py can swallow a cancellation.
    """
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.5)
