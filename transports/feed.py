"""The feed: the source of events behind every technique.

    publish(draft) -> Event
    history(room, since) -> Batch                       polling
    hub.wait(room, since, seconds) -> Batch             long polling: waits for the next event
    hub.subscribe(room, since) -> AsyncIterator[Batch]  streams and sockets: waits repeatedly

Synchronous code uses `transports.synchronous`. Each event loop has its own store and channel layer;
a server process has one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from weakref import WeakKeyDictionary

from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from django.utils.translation import gettext

from transports.conf import conf
from transports.events import Batch, Cursor, Draft, Event
from transports.store.base import Store, StoreUnavailable
from transports.store.base import group_of as group_of
from transports.telemetry import telemetry

logger = logging.getLogger(__name__)

MEMORY_STORE = "transports.store.memory.MemoryStore"
REDIS_STORE = "transports.store.redis.store.RedisStore"
CLUSTER_STORE = "transports.store.redis.cluster.ClusterStore"
Loop = asyncio.AbstractEventLoop
LAYER_TIMEOUT = 2.0  # seconds a publish waits for the channel layer, which only wakes hubs

_stores: WeakKeyDictionary[Loop, Store] = WeakKeyDictionary()
_default_layer = InMemoryChannelLayer(capacity=10_000)  # for a project that configures none
# The loops with a hub, and the callback for each event published there, ahead of the layer.
_serving_loops: WeakKeyDictionary[Loop, Callable[[Event], bool]] = WeakKeyDictionary()
# The events to send in one message of the channel layer, and the task that sends them.
_waking: dict[tuple[Loop, str], tuple[list[Event], asyncio.Task[None]]] = {}
_is_serving = False  # whether this process has endpoints


class EventTrimmed(Exception):
    """The event published under this key has been trimmed."""


class FeedNotShared(ImproperlyConfigured):
    """The feed is in the memory of another process, the server."""


def store() -> Store:
    """Return the running loop's store, created on first use."""
    loop = asyncio.get_running_loop()
    current_store = _stores.get(loop)
    if current_store is None:
        current_store = _stores[loop] = import_string(_store_path()).from_settings()
    return current_store


def _store_path() -> str:
    if conf.STORE or not conf.REDIS_URL:
        return conf.STORE or MEMORY_STORE
    return CLUSTER_STORE if "+cluster://" in conf.REDIS_URL else REDIS_STORE


def serve(accept: Callable[[Event], bool] | None = None) -> None:
    """Note that this process serves clients.

    With `accept`, the running loop serves them: `accept` is called with each event published on it.
    """
    global _is_serving
    _is_serving = True
    if accept is not None:
        _serving_loops[asyncio.get_running_loop()] = accept


def serving_loop() -> Loop | None:
    """Return the loop of this process that serves clients; None if none is running."""
    return next((loop for loop in list(_serving_loops) if loop.is_running()), None)


def _forked() -> None:
    """Drop a parent's loops. Its child is a server only if it was forked before serving."""
    global _is_serving
    _is_serving = _is_serving and not _serving_loops
    _serving_loops.clear()


os.register_at_fork(after_in_child=_forked)


def check_shared() -> None:
    """Raise `FeedNotShared` if the servers' clients would not receive this process's events."""
    if not _is_serving and _store_path() == MEMORY_STORE:
        raise FeedNotShared(
            gettext("The feed is in the server's process: set REDIS_URL, or publish over HTTP.")
        )


def layer() -> BaseChannelLayer:
    return get_channel_layer() or _default_layer


async def publish(draft: Draft, key: str | None = None) -> Event:
    """Append to the store, then wake the processes that serve the room.

    If an event has been published under `key` within `IDEMPOTENCY_EXPIRY`, return that event
    instead. Raises `ValueError` for an invalid room, name or data, `FeedNotShared`,
    `EventTrimmed`, and `StoreUnavailable`, after which the event may exist or not.
    """
    draft.check()
    check_shared()
    draft = telemetry().traced(draft)
    began = time.perf_counter()
    current_store = store()
    try:
        if key is None:
            event = await current_store.append(draft)
        elif new := await current_store.append_once(key, draft, conf.IDEMPOTENCY_EXPIRY):
            event = new
        elif first := await published(key, draft.room):
            return first
        else:
            raise EventTrimmed
    except StoreUnavailable:
        telemetry().publish_failed()
        raise
    await _wake(current_store, event)
    telemetry().published(time.perf_counter() - began)
    return event


async def published(key: str, room: str) -> Event | None:
    """Return the event published under `key`; None if the key is unknown or has expired.

    Does not wake the hubs: their sweeps deliver the event. Raises `EventTrimmed` and
    `StoreUnavailable`.
    """
    identity = await store().identity(room, key)
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
    event = await store().append_once(key, telemetry().traced(draft))
    if event is not None:
        await _wake(store(), event)
    return event


async def _wake(current_store: Store, event: Event) -> None:
    loop = asyncio.get_running_loop()
    accept = _serving_loops.get(loop)
    accepted = accept is not None and accept(event)
    if current_store.wakes:
        return
    channel_layer, key = layer(), (loop, event.room)
    if isinstance(channel_layer, InMemoryChannelLayer):
        if len(channel_layer.groups.get(group_of(event.room), ())) <= accepted:
            return  # no receiver, or only the hub of this loop, which has the event
        key = (loop, event.id)  # a message for each event, as it costs no round trip
    if key not in _waking:
        _waking[key] = [], loop.create_task(_send(key))
    events, sending = _waking[key]
    events.append(event)
    await asyncio.shield(sending)


async def _send(key: tuple[Loop, str]) -> None:
    events = sorted(_waking.pop(key)[0], key=lambda event: event.cursor.seq)
    last = events[-1]
    lines = b"\n".join([event.encoded for event in events]).decode()
    message = {"type": "feed.event", "room": last.room, "id": last.id, "event": lines}
    try:
        async with asyncio.timeout(LAYER_TIMEOUT):
            await layer().group_send(group_of(last.room), message)
    except Exception as error:
        # The events are in the store: every hub reads them at its next sweep.
        logger.warning("The channel layer did not accept a message (%r).", error)


async def rooms() -> list[str]:
    """Return the rooms that have events. Raises `StoreUnavailable`."""
    return await store().rooms()


async def find(room: str, cursor: Cursor) -> Event | None:
    """Return the event with the id `cursor`; None once it is trimmed. Raises `StoreUnavailable`."""
    return await store().find(room, cursor)


async def history(room: str, since: Cursor | None = None) -> Batch:
    """Return the events after `since`; without it, the backlog. Raises `StoreUnavailable`."""
    return await store().read(room, since)


async def cursor(room: str) -> Cursor:
    """Return the position after the room's last event. Raises `StoreUnavailable`.

    Read it before the data that a page shows: a client that begins there misses nothing and
    replays nothing.
    """
    check_shared()
    return (await store().heads([room]))[room]


async def aclose() -> None:
    """Close the running loop's store."""
    current_store = _stores.pop(asyncio.get_running_loop(), None)
    if current_store is not None:
        await current_store.close()
