"""Fixtures of both stores, for the tests of their common interface."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from transports.store.base import Store
from transports.store.memory import MemoryStore
from transports.store.redis.store import RedisStore

LENGTH, BACKLOG = 10, 4


@asynccontextmanager
async def history_of(
    kind: str, redis_url: str = "", backlog: int = BACKLOG, prefix: str = ""
) -> AsyncIterator[Store]:
    """Yield an empty store of `LENGTH` events a room, in memory or in Redis."""
    history: Store
    if kind == "memory":
        history = MemoryStore(length=LENGTH, backlog=backlog, max_rooms=3)
    else:
        history = RedisStore(
            redis_url,
            length=LENGTH,
            backlog=backlog,
            expiry=60,
            prefix=prefix or uuid.uuid4().hex,
        )
    try:
        yield history
    finally:
        await history.close()
