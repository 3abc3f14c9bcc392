"""Changes since older tutorials on Channels: tests for `docs/then-and-now.md`."""

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
    requirements = requires("channels") or []
    daphne = [line for line in requirements if line.startswith("daphne")]
    assert daphne
    assert all("extra ==" in line for line in daphne)
    assert get_commands()["runserver"] != "django.core", "another app overrides runserver"


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
    """A read in redis-py 8 times out after 5 s, which is how long channels-redis blocks."""
    default = RedisChannelLayer(hosts=[("127.0.0.1", redis_server.port)])
    patient = RedisChannelLayer(hosts=[{"address": redis_server.url, "socket_timeout": 15}])
    waiting = asyncio.create_task(patient.receive(await patient.new_channel()))
    with pytest.raises(redis.exceptions.TimeoutError):
        async with asyncio.timeout(BOUND):
            await default.receive(await default.new_channel())
    assert not waiting.done(), "the layer with the longer timeout still waits"
    while not waiting.done():  # redis-py can swallow a cancellation
        waiting.cancel()
        await asyncio.wait([waiting], timeout=0.1)
    for layer in (default, patient):
        await layer.close_pools()


async def test_a_channel_layer_drops_messages_silently() -> None:
    layer = InMemoryChannelLayer(capacity=100)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    for number in range(150):
        await layer.group_send("room", {"type": "x", "number": number})  # raises nothing
    received = layer.channels[channel].qsize()
    assert received == 100


async def test_a_busy_http_consumer_misses_a_disconnect() -> None:
    """Dispatch is serial: the disconnect is queued behind the handler that waits for an event."""
    started, disconnected = asyncio.Event(), asyncio.Event()

    class LongPoll(AsyncHttpConsumer):  # type: ignore[misc]
        channel_layer_alias = ""

        async def handle(self, body: bytes) -> None:
            started.set()
            await asyncio.Event().wait()

        async def disconnect(self) -> None:
            disconnected.set()

    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b""})
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    consumer = asyncio.create_task(LongPoll.as_asgi()(scope, messages.get, None))
    async with asyncio.timeout(BOUND):
        await started.wait()
        messages.put_nowait({"type": "http.disconnect"})
        for _ in range(50):
            await asyncio.sleep(0)
    assert messages.qsize() == 1, "the disconnect is not received"
    assert not disconnected.is_set()
    consumer.cancel()
    await asyncio.wait([consumer])


def test_synchronous_consumers_share_a_thread() -> None:
    assert SyncConsumer._sync
    assert not AsyncConsumer._sync
    assert SyncConsumer.__dict__["dispatch"]._thread_sensitive
