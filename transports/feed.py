"""The feed: the source of events behind every technique.

    publish(draft) -> Event
    publish_sync(draft) -> Event                        from synchronous code; retries
    publish_on_commit(draft)                            after the transaction
    history(room, since) -> Batch                       polling
    hub.wait(room, since, seconds) -> Batch             long polling: waits for the next event
    hub.subscribe(room, since) -> AsyncIterator[Batch]  streams and sockets: waits repeatedly

Each event loop has its own store and channel layer; a server process has one event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils.module_loading import import_string

from transports.conf import conf
from transports.events import Batch, Cursor, Draft, Event
from transports.store.base import Store, StoreUnavailable
from transports.store.redis.url import is_cluster
from transports.telemetry import telemetry

logger = logging.getLogger(__name__)

MEMORY_STORE = "transports.store.memory.MemoryStore"
REDIS_STORE = "transports.store.redis.store.RedisStore"
CLUSTER_STORE = "transports.store.redis.cluster.ClusterStore"
LAYER_TIMEOUT = 2.0  # seconds a publish waits for the channel layer, which only wakes hubs
RETRY_PAUSES = (0.0, 0.25, 0.5, 1.0)  # seconds before each further attempt of a retried publish
SYNC_TIMEOUT = 15.0  # seconds after which synchronous code stops waiting for the store

T = TypeVar("T")

_stores: WeakKeyDictionary[asyncio.AbstractEventLoop, Store] = WeakKeyDictionary()
_default_layer = InMemoryChannelLayer(capacity=10_000)  # for a project that configures none
# The loops with a hub, and what accepts each event published on them, ahead of the layer's copy.
_serving_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Callable[[Event], None]] = (
    WeakKeyDictionary()
)
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
    return CLUSTER_STORE if is_cluster(conf.REDIS_URL) else REDIS_STORE


def serve(accept: Callable[[Event], None] | None = None) -> None:
    """Note that this process serves clients.

    With `accept`, the running loop does: call it with each event that is published on that loop.
    """
    global _is_serving
    _is_serving = True
    if accept is not None:
        _serving_loops[asyncio.get_running_loop()] = accept


def _forked() -> None:
    """Forget a parent's loops. Its child is a server only if it was forked before serving."""
    global _is_serving
    _is_serving = _is_serving and not _serving_loops
    _serving_loops.clear()


os.register_at_fork(after_in_child=_forked)


def check_shared() -> None:
    """Raise `FeedNotShared` if the servers' clients would not receive this process's events."""
    if not _is_serving and _store_path() == MEMORY_STORE:
        raise FeedNotShared(
            "The feed is in the memory of the server's process, and this is another process. Set "
            "REDIS_URL to the servers' Redis, or publish over HTTP with a token."
        )


def layer() -> BaseChannelLayer:
    return get_channel_layer() or _default_layer


def group_of(room: str) -> str:
    return f"room.{room}"


async def publish(draft: Draft, key: str | None = None) -> Event:
    """Append to the store, then wake the processes that serve the room.

    If an event has been published under `key` within `IDEMPOTENCY_EXPIRY`, return that event
    instead. Raises `ValueError` for an invalid room, name or data, `FeedNotShared`,
    `EventTrimmed`, and `StoreUnavailable`, after which the event may exist or not.
    """
    draft.check()
    check_shared()
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


async def publish_with_retry(draft: Draft, key: str | None = None) -> Event:
    """Publish once; while the store is unavailable, try again a few times, under one key.

    A response that was lost does not duplicate the event. Raises what `publish` raises, within
    `SYNC_TIMEOUT` seconds.
    """
    key = key or f"retry:{uuid.uuid4()}"
    try:
        async with asyncio.timeout(SYNC_TIMEOUT):
            for pause in RETRY_PAUSES:
                try:
                    return await publish(draft, key)
                except StoreUnavailable as error:
                    logger.warning("Publishing to %s is retried (%s).", draft.room, error)
                    await asyncio.sleep(pause)
            return await publish(draft, key)
    except TimeoutError as error:
        raise StoreUnavailable(f"No response within {SYNC_TIMEOUT:g} s.") from error


def publish_sync(draft: Draft, key: str | None = None) -> Event:
    """Do as `publish_with_retry`, from synchronous code: a view, a signal, a thread, a worker.

    Blocks the calling thread. Raises `RuntimeError` on a running event loop.
    """
    return _run(publish_with_retry(draft, key))


def publish_on_commit(
    draft: Draft, key: str | None = None, *, using: str | None = None, robust: bool = True
) -> None:
    """Publish after the transaction of the database `using` is committed; at once without one.

    With `robust`, log what `publish_sync` raises: the transaction is committed already. Otherwise
    raise it to the caller of the outermost `atomic` block.
    """
    draft.check()
    transaction.on_commit(lambda: publish_sync(draft, key), using=using, robust=robust)


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
    event = await store().append_once(key, draft)
    if event is not None:
        await _wake(event)
    return event


async def _wake(event: Event) -> None:
    if accept := _serving_loops.get(asyncio.get_running_loop()):
        accept(event)
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


async def cursor(room: str) -> Cursor:
    """Return the position after the room's last event. Raises `StoreUnavailable`.

    Read it before the data that a page shows: a client that begins there misses nothing and
    replays nothing.
    """
    check_shared()
    return (await store().heads([room]))[room]


def cursor_sync(room: str) -> Cursor:
    """Do as `cursor`, from synchronous code."""
    return _run(cursor(room))


def history_sync(room: str, since: Cursor | None = None) -> Batch:
    """Do as `history`, from synchronous code. Raises `FeedNotShared`."""
    check_shared()
    return _run(history(room, since))


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of `coroutine`, from the loop that serves clients or a loop of our own.

    The channel layer in memory reaches only subscribers on its own loop.
    """
    from transports import background_loop  # only for synchronous code

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        coroutine.close()
        raise RuntimeError("This would block the running event loop: await the coroutine instead.")
    serving = next((loop for loop in list(_serving_loops) if loop.is_running()), None)
    future = asyncio.run_coroutine_threadsafe(coroutine, serving or background_loop.current())
    try:
        return future.result(SYNC_TIMEOUT + 1)
    except (TimeoutError, CancelledError) as error:  # the server's loop has stopped
        future.cancel()
        raise StoreUnavailable("The event loop did not answer.") from error


async def aclose() -> None:
    """Close the running loop's store."""
    current_store = _stores.pop(asyncio.get_running_loop(), None)
    if current_store is not None:
        await current_store.close()
