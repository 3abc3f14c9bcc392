"""The feed: the seam between the one source of events and every technique.

    publish(room, sender, text) -> Event
    history(room, since) -> Batch                   short polling
    wait(room, since, seconds) -> Batch             long polling: history, but held
    subscribe(room, since) -> AsyncIterator[Batch]  streams and sockets: wait, over and over

Each of them belongs to the running event loop; a process that serves has one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from weakref import WeakKeyDictionary

from channels.layers import channel_layers
from django.conf import settings

from transports.events import Batch, Cursor, Event, EventType
from transports.hub import Hub, group_of
from transports.operations.metrics import metrics
from transports.store.base import History, HistoryUnavailable
from transports.store.memory import MemoryHistory
from transports.store.redis.store import RedisHistory
from transports.tail import Tail

logger = logging.getLogger(__name__)

LAYER_PATIENCE = 2.0  # seconds a publish waits for the channel layer, which only wakes


class KeptNoLonger(Exception):
    """An event was published under this key, and the history has it no more."""


_memory: MemoryHistory | None = None
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def _new_history() -> History:
    if settings.REDIS_URL:
        return RedisHistory(
            settings.REDIS_URL,
            length=settings.HISTORY_LENGTH,
            backlog=settings.BACKLOG_LENGTH,
            expiry=settings.HISTORY_EXPIRY,
            prefix=settings.REDIS_PREFIX,
            connections=settings.REDIS_CONNECTIONS,
        )
    global _memory
    if _memory is None:
        _memory = MemoryHistory(
            length=settings.HISTORY_LENGTH,
            backlog=settings.BACKLOG_LENGTH,
            max_rooms=settings.MAX_ROOMS,
        )
    return _memory


def hub() -> Hub:
    """The running loop's hub, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub(
            layer=channel_layers["default"],
            history=_new_history(),
            backlog=settings.BACKLOG_LENGTH,
            max_rooms=settings.MAX_ROOMS,
        )
    return found


async def publish(
    room: str,
    sender: str,
    text: str,
    kind: EventType = "message",
    *,
    of: str | None = None,
    verified: bool = False,
    key: str | None = None,
) -> Event:
    """Append to the history, then wake the processes that serve the room.

    `of` and `verified` are the event's. With a `key`, remembered for `IDEMPOTENCY_EXPIRY`, what has
    been published under it is given back instead. Raises `HistoryUnavailable`: then the event is
    not known to be published; and `KeptNoLonger`.
    """
    began = time.perf_counter()
    log = hub().history
    try:
        if key is None:
            event = await log.append(room, kind, sender, text, of=of, verified=verified)
        else:
            appended = await log.append_once(
                *(key, room, kind, sender, text),
                of=of,
                verified=verified,
                remember=settings.IDEMPOTENCY_EXPIRY,
            )
            if appended is None:
                first = await published(key, room)
                if first is None:
                    raise KeptNoLonger
                return first
            event = appended
    except HistoryUnavailable:
        metrics.unpublished += 1
        raise
    await _wake(event)
    metrics.published.observe(time.perf_counter() - began)
    return event


async def published(key: str, room: str) -> Event | None:
    """What has been published under `key`; None where nothing is remembered.

    Nobody is woken again: the sweeps have seen to it. Raises `HistoryUnavailable`, and
    `KeptNoLonger`.
    """
    identity = await hub().history.identity(key)
    if identity is None:
        return None
    event = await find(room, Cursor.parse(identity))
    if event is None:
        raise KeptNoLonger
    return event


async def publish_once(
    key: str, room: str, sender: str, text: str, kind: EventType = "message"
) -> Event | None:
    """As `publish`, unless something has been published under `key`: then None.

    What it raises may be tried again: the key is taken in the same step as the event.
    """
    event = await hub().history.append_once(key, room, kind, sender, text)
    if event is not None:
        await _wake(event)
    return event


async def _wake(event: Event) -> None:
    here, room, task = hub(), event.room, asyncio.current_task()
    cancellations = task.cancelling() if task else 0
    try:
        message = {"type": "feed.event", "room": room, "event": event.encoded.decode()}
        async with asyncio.timeout(LAYER_PATIENCE):
            await here.layer.group_send(group_of(room), message)
    except Exception as error:
        # The event is in the history: every hub finds it there at its next sweep.
        logger.warning("The channel layer took no message (%r).", error)
    if task and task.cancelling() > cancellations:  # a layer may swallow one (`redis_socket`)
        raise asyncio.CancelledError


async def rooms() -> list[str]:
    """The rooms that somebody has published in. Raises `HistoryUnavailable`."""
    return await hub().history.rooms()


async def everything(room: str) -> Batch:
    """All that the history holds of a room. Raises `HistoryUnavailable`."""
    history = hub().history
    head = (await history.heads([room]))[room]
    batch = await history.read(room, Cursor(head.epoch, 0))
    return Batch(room, batch.cursor, tuple(e for e in batch.events if e.type != "reset"))


async def find(room: str, cursor: Cursor) -> Event | None:
    """The event whose id is `cursor`, while the history keeps it. Raises `HistoryUnavailable`."""
    return await hub().history.find(room, cursor)


async def history(room: str, since: Cursor | None = None) -> Batch:
    """What there is behind `since`, at once; without it, the backlog.

    Raises `HistoryUnavailable`.
    """
    return await hub().history.read(room, since)


async def wait(room: str, since: Cursor | None, seconds: float) -> Batch:
    """As `history`, but held until there is something, for at most `seconds`; then empty.

    Raises `HistoryUnavailable` and `TooManyRooms`.
    """
    here = hub()
    async with here.using(room) as tail:
        return await _next(here, tail, since, seconds)


async def subscribe(
    room: str, since: Cursor | None = None, heartbeat: float = 15.0
) -> AsyncGenerator[Batch, None]:
    """One batch at once, perhaps empty, then one whenever there is something.

    An empty one after `heartbeat` seconds in which there was nothing. Whoever is slow to ask
    for the next gets all it missed in one. Ends when the feed closes. Raises
    `HistoryUnavailable` and `TooManyRooms` before the first batch, never after it.
    """
    here = hub()
    async with here.using(room) as tail:
        batch = await _next(here, tail, since, 0)
        while True:
            yield batch
            try:
                batch = await _next(here, tail, batch.cursor, heartbeat)
            except HistoryUnavailable:
                # The subscriber stays and is made whole when the history is back.
                await asyncio.sleep(1)
                batch = Batch(room, batch.cursor)
            if here.closing and not batch.events:
                return


async def _next(here: Hub, tail: Tail, since: Cursor | None, seconds: float) -> Batch:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        head = tail.head
        if head is not None and since is head and seconds and not here.closing:
            # Up to date, as a subscriber is that comes back for more: nothing to look at yet.
            if not await tail.changed(deadline):
                return tail.after(since) or Batch(tail.room, since)
            head = tail.head
        batch = tail.after(since) or await here.history.read(tail.room, since)
        if batch.events or here.closing:
            return batch
        since = batch.cursor
        if asyncio.get_running_loop().time() >= deadline:
            return batch
        if tail.head == head and not await tail.changed(deadline):
            return batch


async def leave() -> None:
    """Wake every waiter of this loop's hub for the last time, and be sent nothing more.

    The server is stopping: what is open still reads the history.
    """
    await hub().leave()


async def aclose() -> None:
    """Close the running loop's hub and its connections."""
    found = _hubs.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.aclose()
        await found.history.close()
