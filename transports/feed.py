"""The feed: the one source of events behind every technique.

    publish(draft) -> Event
    history(room, since) -> Batch                       polling
    hub.wait(room, since, seconds) -> Batch             long polling: history, but held
    hub.subscribe(room, since) -> AsyncIterator[Batch]  streams and sockets: wait, repeatedly

Each event loop has its own store and layer; a process that serves has one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from weakref import WeakKeyDictionary

from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer
from django.utils.module_loading import import_string

from transports.conf import conf
from transports.events import Batch, Cursor, Draft, Event
from transports.store.base import Store, StoreUnavailable
from transports.telemetry import telemetry

logger = logging.getLogger(__name__)

MEMORY_STORE = "transports.store.memory.MemoryStore"
REDIS_STORE = "transports.store.redis.store.RedisStore"
LAYER_PATIENCE = 2.0  # seconds a publish waits for the channel layer, which only wakes

_stores: WeakKeyDictionary[asyncio.AbstractEventLoop, Store] = WeakKeyDictionary()
_without_layer = InMemoryChannelLayer(capacity=10_000)  # for a project that configures none


class EventTrimmed(Exception):
    """An event was published under this key, and the store has trimmed it since."""


def store() -> Store:
    """The running loop's store, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    found = _stores.get(loop)
    if found is None:
        path = conf.STORE or (REDIS_STORE if conf.REDIS_URL else MEMORY_STORE)
        found = _stores[loop] = import_string(path).from_settings()
    return found


def layer() -> BaseChannelLayer:
    return get_channel_layer() or _without_layer


def group_of(room: str) -> str:
    return f"room.{room}"


async def publish(draft: Draft, key: str | None = None) -> Event:
    """Append to the store, then wake the processes that serve the room.

    With a `key`, remembered for `IDEMPOTENCY_EXPIRY`, return what has been published under it
    instead. Raises `StoreUnavailable`: then it is not known whether the event was published; and
    `EventTrimmed`.
    """
    began = time.perf_counter()
    try:
        if key is None:
            event: Event | None = await store().append(draft)
        else:
            event = await store().append_once(key, draft, conf.IDEMPOTENCY_EXPIRY)
            if event is None:
                if (first := await published(key, draft.room)) is None:
                    raise EventTrimmed
                return first
    except StoreUnavailable:
        telemetry().publish_failed()
        raise
    assert event is not None
    await _wake(event)
    telemetry().published(time.perf_counter() - began)
    return event


async def published(key: str, room: str) -> Event | None:
    """What has been published under `key`; None where nothing is remembered.

    Wakes nobody again: the hubs' sweeps have found it. Raises `StoreUnavailable`, `EventTrimmed`.
    """
    identity = await store().identity(key)
    if identity is None:
        return None
    event = await find(room, Cursor.parse(identity))
    if event is None:
        raise EventTrimmed
    return event


async def publish_once(key: str, draft: Draft) -> Event | None:
    """As `publish`, unless something has been published under `key`: then None.

    What it raises may be tried again: the key is taken in the same step as the event.
    """
    event = await store().append_once(key, draft)
    if event is not None:
        await _wake(event)
    return event


async def _wake(event: Event) -> None:
    task = asyncio.current_task()
    cancellations = task.cancelling() if task else 0
    try:
        message = {"type": "feed.event", "room": event.room, "event": event.encoded.decode()}
        async with asyncio.timeout(LAYER_PATIENCE):
            await layer().group_send(group_of(event.room), message)
    except Exception as error:
        # The event is in the store: every hub finds it there at its next sweep.
        logger.warning("The channel layer took no message (%r).", error)
    if task and task.cancelling() > cancellations:  # redis-py may swallow one before Python 3.12
        raise asyncio.CancelledError


async def rooms() -> list[str]:
    """The rooms that have been published in. Raises `StoreUnavailable`."""
    return await store().rooms()


async def everything(room: str) -> Batch:
    """All that the store holds of a room. Raises `StoreUnavailable`."""
    head = (await store().heads([room]))[room]
    batch = await store().read(room, Cursor(head.epoch, 0))
    return Batch(room, batch.cursor, tuple(e for e in batch.events if e.type != "reset"))


async def find(room: str, cursor: Cursor) -> Event | None:
    """The event whose id is `cursor`, until it is trimmed. Raises `StoreUnavailable`."""
    return await store().find(room, cursor)


async def history(room: str, since: Cursor | None = None) -> Batch:
    """What there is after `since`; without it, the backlog. Raises `StoreUnavailable`."""
    return await store().read(room, since)


async def aclose() -> None:
    """Close the running loop's store."""
    found = _stores.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()
