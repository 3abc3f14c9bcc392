"""What older tutorials on Channels say that is no longer so: `docs/then-and-now.md`, proved."""

from __future__ import annotations

import asyncio
from importlib.metadata import requires
from typing import Any

import channels.auth
import pytest
import redis.exceptions
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.layers import InMemoryChannelLayer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from channels_redis.core import RedisChannelLayer
from django.core.management import get_commands

from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND


async def test_protocol_type_router_has_no_default_for_http() -> None:
    application = ProtocolTypeRouter({"websocket": None})
    with pytest.raises(ValueError, match="http"):
        await application({"type": "http"}, None, None)


def test_channels_does_not_require_daphne() -> None:
    needed = requires("channels") or []
    daphne = [line for line in needed if line.startswith("daphne")]
    assert daphne
    assert all("extra ==" in line for line in daphne)
    assert get_commands()["runserver"] != "django.core", "the one that speaks ASGI is found"


async def test_channel_name_router_needs_an_application() -> None:
    class Task(SyncConsumer):  # type: ignore[misc]
        pass

    scope = {"type": "channel", "channel": "background-tasks"}
    with pytest.raises(TypeError):
        await ChannelNameRouter({"background-tasks": Task})(scope, None, None)
    assert asyncio.iscoroutinefunction(Task.as_asgi())


def test_channels_has_no_token_auth() -> None:
    assert not hasattr(channels.auth, "TokenAuthMiddlewareStack")
    assert hasattr(channels.auth, "AuthMiddlewareStack")


@pytest.mark.redis
async def test_the_old_channel_layers_setting_breaks_idle_sockets(
    redis_server: RedisServer,
) -> None:
    """redis-py 8 gives up a read after 5 s, which is how long channels-redis blocks."""
    old = RedisChannelLayer(hosts=[("127.0.0.1", redis_server.port)])
    cured = RedisChannelLayer(hosts=[{"address": redis_server.url, "socket_timeout": 15}])
    waiting = asyncio.create_task(cured.receive(await cured.new_channel()))
    with pytest.raises(redis.exceptions.TimeoutError):
        async with asyncio.timeout(BOUND):
            await old.receive(await old.new_channel())
    assert not waiting.done(), "the one that is told to wait longer is still waiting"
    while not waiting.done():  # redis-py can swallow a cancellation
        waiting.cancel()
        await asyncio.wait([waiting], timeout=0.1)
    for layer in (old, cured):
        await layer.close_pools()


async def test_a_channel_layer_drops_messages_silently() -> None:
    layer = InMemoryChannelLayer(capacity=100)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    for number in range(150):
        await layer.group_send("room", {"type": "x", "number": number})  # raises nothing
    kept = layer.channels[channel].qsize()
    assert kept == 100


async def test_a_busy_http_consumer_misses_a_disconnect() -> None:
    """Dispatch is serial: the disconnect waits behind the handler that waits for an event."""
    started, heard = asyncio.Event(), asyncio.Event()

    class LongPoll(AsyncHttpConsumer):  # type: ignore[misc]
        channel_layer_alias = ""

        async def handle(self, body: bytes) -> None:
            started.set()
            await asyncio.Event().wait()

        async def disconnect(self) -> None:
            heard.set()

    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b""})
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    consumer = asyncio.create_task(LongPoll.as_asgi()(scope, messages.get, None))
    async with asyncio.timeout(BOUND):
        await started.wait()
        messages.put_nowait({"type": "http.disconnect"})
        for _ in range(50):
            await asyncio.sleep(0)
    assert messages.qsize() == 1, "nobody takes the news"
    assert not heard.is_set()
    consumer.cancel()
    await asyncio.wait([consumer])


def test_synchronous_consumers_share_a_thread() -> None:
    assert SyncConsumer._sync
    assert not AsyncConsumer._sync
    assert SyncConsumer.__dict__["dispatch"]._thread_sensitive
