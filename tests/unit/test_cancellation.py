"""Cancellation in any turn of a Redis command: the task ends, and no other exception is raised.

A disconnected client, a lost permission and a stopping server cause cancellations, and redis-py's
`asyncio.wait_for` swallows some of them before Python 3.12.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.support.redis_server import RedisServer
from tests.support.waiting import until_async
from transports import feed
from transports.auth.revalidation import Credential, UserConnection, watch
from transports.events import Draft
from transports.presence.base import Person
from transports.presence.redis import RedisPeople
from transports.store.base import StoreUnavailable
from transports.store.redis.layer import RedisChannelLayer
from transports.store.redis.store import RedisStore
from transports.store.redis.url import layer_host

pytestmark = [pytest.mark.redis]

TURNS = 24  # of the event loop, more than any of the commands takes

Command = Callable[[], Awaitable[Any]]


@pytest.fixture
async def history(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    prefix = uuid.uuid4().hex
    history = RedisStore(redis_server.url, length=100, backlog=10, expiry=600, prefix=prefix)
    await history.append(Draft("r", "ada", "hi"))
    await history.read("r", None)
    yield history
    await history.close()


@pytest.fixture
async def commands(redis_server: RedisServer, history: RedisStore) -> AsyncIterator[list[Command]]:
    host = layer_host(redis_server.url, socket_timeout=15)
    layer = RedisChannelLayer(hosts=[host], prefix=uuid.uuid4().hex)
    await layer.group_add("g", await layer.new_channel())
    people = RedisPeople(history.redis, prefix=uuid.uuid4().hex)
    yield [
        lambda: history.read("r", None),
        lambda: history.append(Draft("r", "ada", "hi")),
        lambda: people.hold([Person("r", "ada")]),
        lambda: layer.group_send("g", {"type": "hi"}),
    ]
    await layer.close_pools()


async def test_a_cancelled_command_ends_its_task(commands: list[Command]) -> None:
    async def follow(command: Command) -> None:
        await command()
        went_on.append(turn)

    for command in commands:
        await command()  # opens the connections
        for turn in range(TURNS):
            went_on: list[int] = []
            task = asyncio.create_task(follow(command))
            for _ in range(turn):
                await asyncio.sleep(0)
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() and not went_on, f"in turn {turn}"
            await task if not task.cancelled() else None


async def test_a_publish_can_be_cancelled_at_any_step_of_the_layer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Includes the pub/sub layer, which uses redis-py's own connections."""
    entered = asyncio.Event()

    async def swallow(group: str, message: dict[str, Any]) -> None:
        entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    feed.serve()
    room = uuid.uuid4().hex
    await feed.layer().group_add(feed.group_of(room), "another-process")
    monkeypatch.setattr(feed.layer(), "group_send", swallow)
    task = asyncio.create_task(feed.publish(Draft(room, "ada", "hi")))
    await entered.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await feed.aclose()


async def test_a_cut_connection_raises_store_unavailable(history: RedisStore) -> None:
    """At every step of a command, the caller gets this exception and no other."""
    pool: Any = history.redis.connection_pool
    failures = 0
    for turn in range(TURNS):
        task = asyncio.create_task(history.append(Draft("r", "ada", f"{turn}")))
        for _ in range(turn):
            await asyncio.sleep(0)
        for connection in list(pool._in_use_connections):
            connection.cut()
        try:
            await task
        except StoreUnavailable:
            failures += 1
    assert failures
    await until_async(lambda: history.append(Draft("r", "ada", "after")))


async def test_an_ended_connection_is_cancelled_at_each_sweep() -> None:
    """An application that swallows a cancellation is cancelled again by the next sweep."""
    swallowed = 0
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    user = User(username="ada")
    connection = UserConnection({"type": "http", "user": user}, Credential(session="its key"))
    connection.enter("r")
    scope = {"type": "http", "user": None}
    task = asyncio.create_task(connection.run(application, scope, receive, send))
    for _ in range(3):
        await asyncio.sleep(0)
        assert len(watch()) == 1, "the next sweep checks it again"
        connection.revalidate({})  # no session is valid
    await task
    assert (task.cancelling(), swallowed, sent[0]["status"]) == (0, 3, 401)
    assert len(watch()) == 0
