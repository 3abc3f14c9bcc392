"""The feed for synchronous code: views, signals, threads and workers.

publish_sync(draft) -> Event                retries while the store is unavailable
publish_on_commit(draft)                    after the transaction
history_sync(room, since) -> Batch
cursor_sync(room) -> Cursor
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from django.db import transaction

from transports import background_loop, feed
from transports.events import Batch, Cursor, Draft, Event
from transports.store.base import StoreUnavailable

logger = logging.getLogger(__name__)

RETRY_PAUSES = (0.0, 0.25, 0.5, 1.0)  # seconds before each further attempt of a retried publish
SYNC_TIMEOUT = 15.0  # seconds after which synchronous code stops waiting for the store

T = TypeVar("T")


async def publish_with_retry(draft: Draft, key: str | None = None) -> Event:
    """Publish once; while the store is unavailable, try again a few times, under one key.

    A response that was lost does not duplicate the event. Raises what `feed.publish` raises, within
    `SYNC_TIMEOUT` seconds.
    """
    key = key or f"retry:{uuid.uuid4()}"
    try:
        async with asyncio.timeout(SYNC_TIMEOUT):
            for pause in RETRY_PAUSES:
                try:
                    return await feed.publish(draft, key)
                except StoreUnavailable as error:
                    logger.warning("Publishing to %s is retried (%s).", draft.room, error)
                    await asyncio.sleep(pause)
            return await feed.publish(draft, key)
    except TimeoutError as error:
        raise StoreUnavailable(f"No response within {SYNC_TIMEOUT:g} s.") from error


def publish_sync(draft: Draft, key: str | None = None) -> Event:
    """Do as `publish_with_retry`, from synchronous code: a view, a signal, a thread, a worker.

    Blocks the calling thread. Raises `RuntimeError` on a running event loop.
    """
    return run_sync(publish_with_retry(draft, key))


def publish_on_commit(
    draft: Draft, key: str | None = None, *, using: str | None = None, robust: bool = True
) -> None:
    """Publish after the transaction of the database `using` is committed; at once without one.

    With `robust`, log what `publish_sync` raises: the transaction is committed already. Otherwise
    raise it to the caller of the outermost `atomic` block.
    """
    draft.check()
    transaction.on_commit(lambda: publish_sync(draft, key), using=using, robust=robust)


def cursor_sync(room: str) -> Cursor:
    """Do as `feed.cursor`, from synchronous code."""
    return run_sync(feed.cursor(room))


def history_sync(room: str, since: Cursor | None = None) -> Batch:
    """Do as `feed.history`, from synchronous code. Raises `FeedNotShared`."""
    feed.check_shared()
    return run_sync(feed.history(room, since))


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of `coroutine`, from the loop that serves clients or a loop of our own.

    The channel layer in memory reaches only subscribers on its own loop.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        coroutine.close()
        raise RuntimeError("This would block the running event loop: await the coroutine instead.")
    loop = feed.serving_loop() or background_loop.current()
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result(SYNC_TIMEOUT + 1)
    except (TimeoutError, CancelledError) as error:  # the server's loop has stopped
        future.cancel()
        raise StoreUnavailable("The event loop did not answer.") from error
