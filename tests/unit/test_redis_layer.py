"""The channel layer over Redis: its connections and its reader."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer as Theirs
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND, until
from transports.store.redis import connection as redis_connection
from transports.store.redis import layer as redis_layer
from transports.store.redis.connection import pool
from transports.store.redis.layer import RedisChannelLayer
from transports.store.redis.url import layer_host

pytestmark = pytest.mark.redis
SIZE = 3


@pytest.fixture
async def layer(redis_server: RedisServer) -> AsyncIterator[Any]:
    host = layer_host(redis_server.url, socket_timeout=15, max_connections=SIZE)
    layer = RedisChannelLayer(hosts=[host], prefix=uuid.uuid4().hex)
    yield layer
    await layer.close_pools()


async def test_a_hung_connection_does_not_block_the_reader(
    layer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, calls = Theirs._clean_receive_backup, 0

    async def silent_at_first(self: Any, index: int, channel: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            monkeypatch.setattr(redis_layer, "CLEANING", BOUND)  # timeout of the later ones
            await asyncio.Event().wait()
        await clean(self, index, channel)

    monkeypatch.setattr(redis_layer, "CLEANING", 0.05)
    monkeypatch.setattr(Theirs, "_clean_receive_backup", silent_at_first)
    channel = await layer.new_channel()
    for number in range(2):
        await layer.send(channel, {"type": "hi", "number": number})
    async with asyncio.timeout(BOUND / 4):
        numbers = [(await layer.receive(channel))["number"] for _ in range(3)]
    assert numbers == [0, 0, 1], "uncleaned messages are delivered again"


async def test_a_pool_is_bounded_and_opened_at_once(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_connection, "POOL_TIMEOUT", 0.05)
    name = f"pool-{uuid.uuid4().hex}"

    def count() -> int:
        return sum(connection["name"] == name for connection in redis_server.client.client_list())

    connections = pool(layer_host(redis_server.url, max_connections=SIZE, client_name=name))
    taken = [await connections.get_connection()]
    assert count() == SIZE, "the first opens all connections"
    taken += [await connections.get_connection() for _ in range(SIZE - 1)]
    with pytest.raises(RedisConnectionError, match="in use"):
        await connections.get_connection()
    waiting = asyncio.create_task(connections.get_connection())
    await asyncio.sleep(0)
    await connections.release(taken.pop())
    taken.append(await waiting)
    assert count() == SIZE
    for connection in taken:
        await connections.release(connection)
    await connections.aclose()
    await until(lambda: count() == 0)


async def test_a_partly_set_up_connection_is_not_used(redis_server: RedisServer) -> None:
    begun, done = asyncio.Event(), 0

    async def set_up(connection: Any) -> None:
        nonlocal done
        await connection.on_connect()
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        done += 1

    connections = pool(layer_host(redis_server.url, max_connections=1, redis_connect_func=set_up))
    taking = asyncio.create_task(connections.get_connection())
    await begun.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await connections.release(await connections.get_connection())
    assert done == 1
    await connections.aclose()
