"""The feed: the source of events behind every technique.

    publish(draft) -> Event
    history(room, since) -> Batch                       polling
    hub.wait(room, since, seconds) -> Batch             long polling: waits for the next event
    hub.subscribe(room, since) -> AsyncIterator[Batch]  streams and sockets: waits repeatedly

Each event loop has its own store and channel layer; a server process has one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
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
LAYER_TIMEOUT = 2.0  # seconds a publish waits for the channel layer, which only wakes hubs

_stores: WeakKeyDictionary[asyncio.AbstractEventLoop, Store] = WeakKeyDictionary()
# What each event that this process publishes is given to at once, before the layer's copy of it.
_receivers: WeakKeyDictionary[asyncio.AbstractEventLoop, Callable[[Event], None]] = (
    WeakKeyDictionary()
)
_default_layer = InMemoryChannelLayer(capacity=10_000)  # for a project that configures none


class EventTrimmed(Exception):
    """The event published under this key has been trimmed."""


def store() -> Store:
    """Return the running loop's store, created on first use."""
    loop = asyncio.get_running_loop()
    current_store = _stores.get(loop)
    if current_store is None:
        path = conf.STORE or (REDIS_STORE if conf.REDIS_URL else MEMORY_STORE)
        current_store = _stores[loop] = import_string(path).from_settings()
    return current_store


def layer() -> BaseChannelLayer:
    return get_channel_layer() or _default_layer


def deliver_to(receiver: Callable[[Event], None]) -> None:
    """Call `receiver` with every event that is published on the running loop from now on."""
    _receivers[asyncio.get_running_loop()] = receiver


def group_of(room: str) -> str:
    return f"room.{room}"


async def publish(draft: Draft, key: str | None = None) -> Event:
    """Append to the store, then wake the processes that serve the room.

    If an event has been published under `key` within `IDEMPOTENCY_EXPIRY`, return that event
    instead. Raises `EventTrimmed`, and `StoreUnavailable`, after which the event may exist or not.
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
    """Return the event published under `key`; None if the key is unknown or has expired.

    Does not wake the hubs: their sweeps deliver the event. Raises `EventTrimmed` and
    `StoreUnavailable`.
    """
    identity = await store().identity(key)
    if identity is None:
        return None
    event = await find(room, Cursor.parse(identity))
    if event is None:
        raise EventTrimmed
    return event


async def publish_once(key: str, draft: Draft) -> Event | None:
    """Publish an event and return it; return None if `key` has been used.

    The key is stored in the same step as the event, so that a call that raised can be retried.
    """
    event = await store().append_once(key, draft)
    if event is not None:
        await _wake(event)
    return event


async def _wake(event: Event) -> None:
    if receiver := _receivers.get(asyncio.get_running_loop()):
        receiver(event)
    task = asyncio.current_task()
    cancellations = task.cancelling() if task else 0
    try:
        message = {
            "type": "feed.event",
            "room": event.room,
            "id": event.id,
            "event": event.encoded.decode(),
        }
        async with asyncio.timeout(LAYER_TIMEOUT):
            await layer().group_send(group_of(event.room), message)
    except Exception as error:
        # The event is in the store: every hub reads it at its next sweep.
        logger.warning("The channel layer did not accept a message (%r).", error)
    # Before Python 3.12 redis-py can swallow a cancellation.
    if task and task.cancelling() > cancellations:
        raise asyncio.CancelledError


async def rooms() -> list[str]:
    """Return the rooms that have events. Raises `StoreUnavailable`."""
    return await store().rooms()


async def all_events(room: str) -> Batch:
    """Return all events of a room in the store. Raises `StoreUnavailable`."""
    head = (await store().heads([room]))[room]
    batch = await store().read(room, Cursor(head.epoch, 0))
    return Batch(room, batch.cursor, tuple(e for e in batch.events if e.type != "reset"))


async def find(room: str, cursor: Cursor) -> Event | None:
    """Return the event with the id `cursor`; None once it is trimmed. Raises `StoreUnavailable`."""
    return await store().find(room, cursor)


async def history(room: str, since: Cursor | None = None) -> Batch:
    """Return the events after `since`; without it, the backlog. Raises `StoreUnavailable`."""
    return await store().read(room, since)


async def aclose() -> None:
    """Close the running loop's store."""
    current_store = _stores.pop(asyncio.get_running_loop(), None)
    if current_store is not None:
        await current_store.close()
