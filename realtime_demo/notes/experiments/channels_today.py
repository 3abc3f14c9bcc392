"""Experiments on Channels, in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import requires, version
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

import redis.exceptions
from channels.auth import AuthMiddlewareStack
from channels.layers import InMemoryChannelLayer, channel_layers
from channels.routing import ProtocolTypeRouter, URLRouter
from channels_redis.core import RedisChannelLayer
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.management import get_commands
from django.urls import path
from django.utils.translation import gettext_noop as _

from realtime_demo.notes import snippets
from realtime_demo.notes.laboratory import BOUND, Laboratory, Observation
from realtime_demo.notes.snippets import AsyncChatConsumer, ChatConsumer

CAPACITY = 100  # messages; the default of the layers
REQUESTS = 5
SOCKETS, MESSAGES, ROUNDS = 10, 30, 3


async def installation(laboratory: Laboratory) -> Observation:
    """Read the requirements of the installed Channels."""
    observation = Observation()
    lines = [line for line in requires("channels") or [] if line.startswith("daphne")]
    observation.add(
        _("Channels {version} requires Daphne only as an extra: {lines}"),
        version=version("channels"),
        lines="; ".join(lines),
    )
    observation.add(_("`runserver` comes from: {app}"), app=str(get_commands()["runserver"]))
    observation.expect(bool(lines) and all("extra ==" in line for line in lines))
    return observation


async def redis_setting(laboratory: Laboratory) -> Observation:
    """Wait on an idle channel, with the notes' setting and with a longer timeout."""
    observation, url = Observation(), await laboratory.redis()
    # As in the notes, but for the port.
    notes = RedisChannelLayer(hosts=[("127.0.0.1", urlsplit(url).port)])
    patient = RedisChannelLayer(hosts=[{"address": url, "socket_timeout": 15}])
    waiting = asyncio.create_task(patient.receive(await patient.new_channel()))
    started, error = time.monotonic(), ""
    with suppress(TimeoutError):
        async with asyncio.timeout(BOUND):
            try:
                await notes.receive(await notes.new_channel())
            except redis.exceptions.TimeoutError as raised:
                error = type(raised).__name__
    observation.add(
        _(
            '`"hosts": [("127.0.0.1", 6379)]`: after {seconds} s an idle `receive()` raises '
            "{error}."
        ),
        seconds=f"{time.monotonic() - started:.1f}",
        error=error or "-",
    )
    patient_waits = not waiting.done()
    observation.add(
        _("With `socket_timeout: 15` it goes on waiting.")
        if patient_waits
        else _("With `socket_timeout: 15` it has ended too.")
    )
    while not waiting.done():  # redis-py can swallow a cancellation
        waiting.cancel()
        await asyncio.wait([waiting], timeout=0.1)
    for layer in (notes, patient):
        await layer.close_pools()
    observation.expect(error == "TimeoutError" and patient_waits)
    return observation


async def awaiting(laboratory: Laboratory) -> Observation:
    """Send five requests for an awaiting view through WSGI's handler and through ASGI's."""
    observation = Observation()
    snippets.most.clear()

    def by_wsgi() -> list[int]:
        environ: dict[str, Any] = {"PATH_INFO": "/wsgi/"}
        setup_testing_defaults(environ)
        handler, statuses = WSGIHandler(), []
        for _number in range(REQUESTS):
            request = WSGIRequest(environ)
            request.urlconf = snippets.__name__
            statuses.append(handler.get_response(request).status_code)
        return statuses

    async def by_asgi() -> int:
        headers = [(b"host", b"127.0.0.1")]
        scope = {"type": "http", "method": "GET", "path": "/asgi/", "headers": headers}
        request = ASGIRequest(scope, BytesIO())
        request.urlconf = snippets.__name__
        return (await ASGIHandler().get_response_async(request)).status_code

    started = time.monotonic()
    statuses = await asyncio.to_thread(by_wsgi)
    wsgi = time.monotonic() - started
    started = time.monotonic()
    statuses += await asyncio.gather(*(by_asgi() for _number in range(REQUESTS)))
    asgi = time.monotonic() - started
    observation.add(
        _("An `async def` view that waits {wait} ms, {count} requests in one thread:"),
        wait=f"{snippets.SECONDS * 1e3:g}",
        count=REQUESTS,
    )
    observation.add(
        _("WSGI runs it too, {together} at a time: {time} ms."),
        together=snippets.most["wsgi"],
        time=f"{wsgi * 1e3:.0f}",
    )
    observation.add(
        _("ASGI runs {together} at a time: {time} ms."),
        together=snippets.most["asgi"],
        time=f"{asgi * 1e3:.0f}",
    )
    observation.expect(set(statuses) == {200} and snippets.most == {"wsgi": 1, "asgi": REQUESTS})
    return observation


async def routing(laboratory: Laboratory) -> Observation:
    """Send an HTTP request to the notes' router."""
    observation = Observation()
    router = ProtocolTypeRouter({"websocket": URLRouter([])})
    error = ""
    try:
        await router({"type": "http"}, None, None)
    except ValueError as raised:
        error = str(raised)
    observation.add(
        _('`ProtocolTypeRouter({{"websocket": …}})` for an HTTP request: ValueError: {error}'),
        error=error or "-",
    )
    observation.expect("http" in error)
    return observation


async def authentication(laboratory: Laboratory) -> Observation:
    """Open a socket through the notes' stack, and one without it."""
    observation, users = Observation(), []

    async def endpoint(scope: dict[str, Any], receive: object, send: object) -> None:
        users.append(scope.get("user"))

    router = URLRouter([path("ws/", endpoint)])  # type: ignore[arg-type]
    scope = {"type": "websocket", "path": "/ws/", "headers": [], "query_string": b""}
    for application in (router, AuthMiddlewareStack(router)):
        await application(dict(scope), None, None)
    missing, anonymous = users
    observation.add(_('Without the stack, `scope["user"]` is: {user}.'), user=str(missing))
    observation.add(
        _("In `AuthMiddlewareStack(URLRouter(…))`, it is: {user}."), user=str(anonymous)
    )
    observation.expect(missing is None and getattr(anonymous, "is_anonymous", False))
    return observation


async def full_letterbox(laboratory: Laboratory) -> Observation:
    """Send more messages to a group than its member's letterbox holds."""
    observation = Observation()
    layer = InMemoryChannelLayer(capacity=CAPACITY)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    count = CAPACITY + CAPACITY // 2
    for number in range(count):
        await layer.group_send("room", {"type": "chat.message", "number": number})
    kept = layer.channels[channel].qsize()
    observation.add(
        _("{count} messages to a group whose member does not read: {kept} kept, no error raised."),
        count=count,
        kept=kept,
    )
    observation.expect(kept == CAPACITY)
    return observation


@contextmanager
def default_layer() -> Iterator[None]:
    """Replace the channel layer of this process by one in memory."""
    previous = channel_layers.set("default", InMemoryChannelLayer(capacity=10_000))
    try:
        yield
    finally:
        if previous is None:
            channel_layers.backends.pop("default")
        else:
            channel_layers.set("default", previous)


async def chat(consumer: Any, number: int) -> int:
    """Send messages to a room of one member, each after the last was echoed; return the number."""
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    outgoing: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    scope = {"type": "websocket", "room": f"room-{number}"}
    running = asyncio.create_task(consumer.as_asgi()(scope, incoming.get, outgoing.put))
    await outgoing.get()
    echoes = 0
    for index in range(MESSAGES):
        incoming.put_nowait({"type": "websocket.receive", "text": f"{index}"})
        echoes += (await outgoing.get())["text"] == f"{index}"
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await running
    return echoes


async def consumers(laboratory: Laboratory) -> Observation:
    """Send the same messages through the synchronous and the asynchronous chat consumer."""
    observation = Observation()
    threads: dict[str, set[int]] = {}

    def recording(base: Any) -> Any:
        """Return a subclass of `base` that records the thread of each message."""
        seen = threads.setdefault(base.__name__, set())

        class Recording(base):  # type: ignore[misc]
            def send(self, *arguments: Any, **options: Any) -> Any:
                seen.add(threading.get_ident())
                return super().send(*arguments, **options)

        return Recording

    cost: dict[str, list[tuple[float, float]]] = {}
    sent = SOCKETS * MESSAGES
    complete = True
    with default_layer():
        for _round in range(ROUNDS):  # alternate, so that both run under the same load
            for base in (ChatConsumer, AsyncChatConsumer):
                consumer = recording(base)
                wall, cpu = time.monotonic(), time.process_time()
                async with asyncio.timeout(BOUND):
                    echoes = await asyncio.gather(*(chat(consumer, n) for n in range(SOCKETS)))
                complete = complete and sum(echoes) == sent
                times = (time.monotonic() - wall, time.process_time() - cpu)
                cost.setdefault(base.__name__, []).append(times)
    best = {name: [min(each) for each in zip(*times, strict=True)] for name, times in cost.items()}
    for name, (wall, cpu) in best.items():
        observation.add(
            _("`{name}`: {rate} messages/s, {cpu} µs of CPU each, threads: {threads}."),
            name=name,
            rate=f"{sent / wall:,.0f}",
            cpu=f"{cpu / sent * 1e6:,.0f}",
            threads=len(threads[name]),
        )
    observation.add(
        _(
            "{sockets} sockets, {count} messages each, through the layer in memory, best of "
            "{rounds} runs."
        ),
        sockets=SOCKETS,
        count=MESSAGES,
        rounds=ROUNDS,
    )
    observation.expect(
        complete
        and best["ChatConsumer"][1] > best["AsyncChatConsumer"][1]
        and len(threads["ChatConsumer"]) == 1
        and threads["AsyncChatConsumer"] == {threading.get_ident()}
    )
    return observation


async def multichat(laboratory: Laboratory) -> Observation:
    """Run two statements of multichat's routing with the installed Channels."""
    observation = Observation()

    async def handler() -> None:
        from channels.http import AsgiHandler

        del AsgiHandler

    async def route() -> None:
        router = URLRouter([path("chat/stream/", AsyncChatConsumer)])
        await router({"type": "websocket", "path": "/chat/stream/"}, None, None)

    for statement, attempt in (
        ("from channels.http import AsgiHandler", handler),
        ('URLRouter([path("chat/stream/", ChatConsumer)])', route),
    ):
        outcome = "-"
        try:
            await attempt()
        except (ImportError, TypeError, AttributeError, AssertionError) as error:
            outcome = f"{type(error).__name__}: {error}"
        observation.add(_("`{statement}`: {outcome}"), statement=statement, outcome=outcome)
        observation.expect(outcome != "-")
    return observation
