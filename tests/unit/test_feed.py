"""The feed: publish, history, wait and subscribe, over both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from channels.layers import InMemoryChannelLayer, channel_layers
from channels.routing import URLRouter
from django.test import override_settings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from longpoll.routing import http_urlpatterns as longpoll_routes
from polling.routing import http_urlpatterns as polling_routes
from tests.support.waiting import BOUND, until, until_async
from transports import feed, hub, telemetry
from transports.boundary import Boundary
from transports.events import Batch, Cursor, Draft, Event
from transports.feed import group_of
from transports.lifespan import FeedService
from transports.operations.metrics import Prometheus
from transports.presence import service as presence
from transports.store.base import StoreUnavailable
from transports.store.redis.pubsub import PubSubChannelLayer

LAYERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "memory": lambda url: {"BACKEND": "channels.layers.InMemoryChannelLayer"},
    "redis": lambda url: {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": url, "socket_timeout": 15}]},
    },
    "pubsub": lambda url: {
        "BACKEND": "transports.store.redis.pubsub.PubSubChannelLayer",
        "CONFIG": {"url": url},
    },
}


@pytest.fixture(
    params=[
        "memory",
        *(pytest.param(name, marks=pytest.mark.redis) for name in ("redis", "pubsub")),
    ],
    autouse=True,
)
async def _feed(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    kind = request.param
    url = request.getfixturevalue("redis_server").url if kind != "memory" else ""
    with override_settings(REDIS_URL=url, CHANNEL_LAYERS={"default": LAYERS[kind](url)}):
        channel_layers.backends.clear()
        feed.serve()
        try:
            yield
        finally:
            await hub.aclose()
            if kind == "redis":
                await channel_layers["default"].close_pools()
            elif kind == "pubsub":
                await channel_layers["default"].flush()
            channel_layers.backends.clear()


async def test_wait_returns_existing_events_at_once(room: str) -> None:
    event = await feed.publish(Draft(room, "ada", "hi"))
    batch = await hub.wait(room, None, 60)
    assert (batch.events, batch.cursor) == ((event,), event.cursor)


async def test_wait_returns_at_the_next_event(room: str) -> None:
    start = (await feed.history(room)).cursor
    waiting = [asyncio.create_task(hub.wait(room, start, 60)) for _ in range(3)]
    await until(lambda: hub.current().users == 3)
    event = await feed.publish(Draft(room, "ada", "hi"))
    async with asyncio.timeout(BOUND):
        batches = await asyncio.gather(*waiting)
    assert [batch.events for batch in batches] == [(event,)] * 3
    assert all(batch is batches[0] for batch in batches), "encoded once for all subscribers"
    assert hub.current().users == 0


async def test_wait_times_out_with_an_empty_batch_and_a_cursor(room: str) -> None:
    event = await feed.publish(Draft(room, "ada", "hi"))
    batch = await hub.wait(room, event.cursor, 0.05)
    assert (batch.events, batch.cursor) == ((), event.cursor)


async def test_wait_ends_once_the_client_has_disconnected(room: str) -> None:
    start = (await feed.history(room)).cursor
    has_left = asyncio.Event()

    async def disconnected() -> None:
        await has_left.wait()

    def wait() -> asyncio.Task[Batch]:
        return asyncio.create_task(hub.wait(room, start, 60, disconnected))

    leaving = wait()
    await until(lambda: hub.current().users == 1)
    has_left.set()
    async with asyncio.timeout(BOUND):
        assert (await leaving).events == ()
    has_left.clear()
    waiting, cancelled = wait(), wait()
    await until(lambda: hub.current().users == 2)
    hub.current().end(room)
    cancelled.cancel()  # in the turn of the loop in which the wait ends
    async with asyncio.timeout(BOUND):
        assert (await waiting).events == ()
        assert waiting.cancelling() == 0
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert hub.current().users == 0


async def test_wait_accepts_a_cursor_ahead_of_this_process(room: str) -> None:
    """Another process may be ahead of this one: that causes no reset."""
    async with hub.current().using(room) as tail:
        event = await feed.store().append(Draft(room, "ada", "not announced yet"))
        behind = tail.head
        waiting = asyncio.create_task(hub.wait(room, event.cursor, 60))
        following = await feed.publish(Draft(room, "ada", "next"))
        async with asyncio.timeout(BOUND):
            assert (await waiting).events == (following,)
        assert behind != following.cursor


async def test_subscribe_yields_a_batch_at_once_then_each_event(room: str) -> None:
    async with aclosing(hub.subscribe(room)) as batches:
        assert (await anext(batches)).events == ()
        first = await feed.publish(Draft(room, "ada", "1"))
        assert (await anext(batches)).events == (first,)
        rest = [await feed.publish(Draft(room, "ada", str(n))) for n in range(2, 9)]
        async with hub.current().using(room) as tail:
            await until(lambda: tail.head == rest[-1].cursor)
        assert (await anext(batches)).events == tuple(rest), "all missed events in one batch"
    assert hub.current().users == 0


async def test_own_events_need_no_layer(room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(group: str, message: dict[str, Any]) -> None:
        """Accept a message and lose it."""

    async with aclosing(hub.subscribe(room)) as batches:
        assert (await anext(batches)).events == ()
        monkeypatch.setattr(feed.layer(), "group_send", lost)
        refills = hub.current().statistics.refills
        for text in ("1", "2", "3"):
            event = await feed.publish(Draft(room, "ada", text))
            assert (await anext(batches)).events == (event,)
        assert hub.current().statistics.refills == refills, "nothing was read from the history"


async def test_publishes_of_one_turn_are_one_message(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Redis, one for each room. It serves another process without a read of the history."""
    messages = []
    in_memory = isinstance(feed.layer(), InMemoryChannelLayer)
    handle = hub.current()._handle

    def count(message: dict[str, Any]) -> None:
        messages.append(message)
        handle(message)

    monkeypatch.setattr(hub.current(), "_handle", count)
    async with aclosing(hub.subscribe(room)) as batches, aclosing(hub.subscribe("b")) as others:
        assert (await anext(batches)).events == ()
        await anext(others)
        monkeypatch.setattr(hub.current(), "accept", lambda event: False)
        feed.serve(hub.current().accept)  # as if another process had published
        texts = [(room, "1"), ("b", "2"), (room, "3"), (room, "4")]
        published = await asyncio.gather(*(feed.publish(Draft(r, "ada", t)) for r, t in texts))
        events = tuple(sorted((e for e in published if e.room == room), key=lambda e: e.cursor))
        async with asyncio.timeout(BOUND):
            assert (await anext(batches)).events == events, "in one batch"
            assert (await anext(others)).events == (published[1],)
        expected = [r for r, _ in texts] if in_memory else [room, "b"]
        assert sorted(message["room"] for message in messages) == sorted(expected)
        assert hub.current().statistics.refills == 0


async def test_subscribe_yields_heartbeats(room: str) -> None:
    event = await feed.publish(Draft(room, "ada", "hi"))
    async with aclosing(hub.subscribe(room, event.cursor, heartbeat=0.02)) as batches:
        for _ in range(3):
            batch = await anext(batches)
            assert (batch.events, batch.cursor) == ((), event.cursor)


async def test_closing_ends_waits_and_subscriptions(room: str) -> None:
    start = (await feed.history(room)).cursor
    waiting = asyncio.create_task(hub.wait(room, start, 60))

    async def follow() -> int:
        async with aclosing(hub.subscribe(room, start)) as batches:
            return len([batch async for batch in batches])

    following = asyncio.create_task(follow())
    await until(lambda: hub.current().users == 2)
    async with asyncio.timeout(BOUND):
        await hub.current().leave()
        assert (await waiting).events == ()
        assert await following >= 1


async def members(room: str) -> list[Any]:
    """Return the channels to which the layer copies the room's events."""
    layer: Any = channel_layers["default"]
    if isinstance(layer, InMemoryChannelLayer):
        return list(layer.groups.get(group_of(room), ()))
    if isinstance(layer, PubSubChannelLayer):
        store: Any = feed.store()
        counts = await store.redis.pubsub_numsub(layer.channel_of(group_of(room)))
        return [channel for channel, count in counts if count]
    return list(await layer.connection(0).zrange(layer._group_key(group_of(room)), 0, -1))


async def is_left(room: str) -> bool:
    return not await members(room)


async def no_application(scope: Any, receive: Any, send: Any) -> None:
    """Do nothing."""


async def test_a_stopping_server_leaves_its_groups(room: str) -> None:
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    application = Boundary(no_application, [FeedService()], body_size=1)
    lifespan = asyncio.create_task(application({"type": "lifespan"}, sent.get, replies.put))
    async with asyncio.timeout(BOUND):
        sent.put_nowait({"type": "lifespan.startup"})
        assert (await replies.get())["type"] == "lifespan.startup.complete"
        async with hub.current().using(room):
            assert len(await members(room)) == 1
            sent.put_nowait({"type": "lifespan.shutdown"})
            assert (await replies.get())["type"] == "lifespan.shutdown.complete"
            await until_async(lambda: is_left(room))
        async with hub.current().using(f"{room}-b"):
            assert await is_left(f"{room}-b"), "no group is joined afterwards"
        await lifespan
    await presence.aclose()


async def test_a_subscriber_survives_an_outage_of_the_history(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = feed.store()
    async with aclosing(hub.subscribe(room)) as batches:
        start = (await anext(batches)).cursor
        with monkeypatch.context() as patched:

            async def unavailable(room: str, since: Cursor | None) -> None:
                raise StoreUnavailable("unavailable")

            patched.setattr(history, "read", unavailable)
            # The tail lacks the events and the history is unavailable: an empty batch, no error.
            async with hub.current().using(room) as tail:
                tail.head = Cursor("another", 9)
                tail.wake()
            assert (await anext(batches)).events == ()
        event = await feed.publish(Draft(room, "ada", "back"))
        received: list[Event] = []
        async with asyncio.timeout(BOUND):
            while not received:
                received += [e for e in (await anext(batches)).events if e.type == "message"]
        assert received == [event]
        assert start.seq == 0


async def test_a_trace_goes_from_a_publish_to_its_deliveries(room: str) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    application: Any = URLRouter([*polling_routes, *longpoll_routes])
    transport = httpx.ASGITransport(application)
    counters = Prometheus.meters["polling"]
    before = (counters.opens, counters.deliveries)
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        override_settings(TELEMETRY="realtime_demo.tracing.TracedPrometheus"),
    ):
        monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
        telemetry.telemetry.cache_clear()
        try:
            since = await feed.cursor(room)
            with provider.get_tracer("shop").start_as_current_span("order"):
                event = await feed.publish(Draft(room, "shop", "paid"))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                for path in ("polling", "longpoll", "polling"):
                    response = await http.get(f"/{path}/{room}/?since={since}")
                    assert response.json()["events"][0]["traceparent"] == event.traceparent
                await http.get(f"/polling/{room}/")  # a backlog
        finally:
            telemetry.telemetry.cache_clear()
    publish, order, *deliveries = exporter.get_finished_spans()
    assert (publish.name, order.name) == (f"publish {room}", "order")
    assert publish.parent == order.context
    assert [each.parent.span_id for each in deliveries if each.parent] == (
        [publish.context.span_id] * 3
    )
    assert {each.context.trace_id for each in deliveries} == {order.context.trace_id}
    assert [each.attributes for each in deliveries] == [
        {"realtime.technique": technique, "messaging.message.id": event.id}
        for technique in ("polling", "longpoll", "polling")
    ]
    assert {each.start_time for each in deliveries} == {int(event.published_at * 1_000_000_000)}
    assert (publish.kind, deliveries[0].kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert (counters.opens - before[0], counters.deliveries - before[1]) == (3, 3), "with a backlog"
    await feed.publish(Draft(room, "shop", "untraced"))
    assert len(exporter.get_finished_spans()) == 5
