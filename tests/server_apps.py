"""Tiny ASGI applications that tests/test_server.py serves: it knows each by its path."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

import realtime_demo.server.http

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# Set by lifespan.shutdown; what waits for it ends, as the demo's feed does.
shutdown = asyncio.Event()
# How many bytes each sender without end was allowed to send; read at /counters.
sent: dict[str, int] = {}

if "REQUEST_TIMEOUT" in os.environ:
    realtime_demo.server.http.REQUEST_TIMEOUT = float(os.environ["REQUEST_TIMEOUT"])
if "ABORT_TIMEOUT" in os.environ:
    realtime_demo.server.http.Channel.abortTimeout = float(os.environ["ABORT_TIMEOUT"])


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """The endpoint that the path names; without one, an AttributeError, so a 500."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    endpoint: Application = globals()[scope["path"].strip("/").replace("/", "_")]
    await endpoint(scope, receive, send)


async def without_lifespan(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] != "lifespan"
    await application(scope, receive, send)


async def with_static_files(scope: Message, receive: Receive, send: Send) -> None:
    """As Django's runserver wraps an application."""
    wrap: Any = ASGIStaticFilesHandler
    await wrap(application)(scope, receive, send)


async def fails_to_start(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no history today"})


async def lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        message = await receive()
        say(message["type"])
        if phase == "shutdown":
            shutdown.set()
            await asyncio.sleep(0.1)
        say(f"{phase} complete")
        await send({"type": f"lifespan.{phase}.complete"})


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# HTTP


async def start(send: Send, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def body(send: Send, data: bytes = b"", more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


def option(scope: Message, name: str, default: int) -> int:
    return int(parse_qs(scope["query_string"].decode()).get(name, [str(default)])[0])


async def respond(send: Send, data: bytes, status: int = 200) -> None:
    await start(send, status, (b"content-length", str(len(data)).encode()))
    await body(send, data)


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    await respond(send, b"hello")


async def version(scope: Message, receive: Receive, send: Send) -> None:
    await respond(send, scope["http_version"].encode())


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """The request's body; how many bytes of it the application has seen goes to the log."""
    data = b""
    while True:
        message = await receive()
        data += message["body"]
        if not message["more_body"]:
            break
    say(f"received {len(data)} bytes")
    await respond(send, data)


async def numbers(scope: Message, receive: Receive, send: Send) -> None:
    """`count` lines of `size` bytes, numbered, in as many chunks."""
    count, size = option(scope, "count", 3), option(scope, "size", 8)
    await start(send)
    for number in range(count):
        await body(send, b"%0*d\n" % (size - 1, number), more=True)
    await body(send)


async def chunks(scope: Message, receive: Receive, send: Send) -> None:
    """Chunks of lengths at which the size needs another digit, an empty one among them."""
    await start(send)
    for length in (1, 15, 16, 0, 255, 256, 4096, 65536):
        await body(send, b"x" * length, more=True)
        await asyncio.sleep(0)  # some are written with others waiting, some without
    await body(send, b"end")


async def big(scope: Message, receive: Receive, send: Send) -> None:
    await respond(send, b"b" * option(scope, "size", 100_000))


async def stream(scope: Message, receive: Receive, send: Send) -> None:
    """A line at once, then silence until shutdown or the client's leave."""
    await start(send)
    await body(send, b"first\n", more=True)
    await until_shutdown_or_disconnect(receive)
    await body(send, b"last\n")


async def deaf_stream(scope: Message, receive: Receive, send: Send) -> None:
    """A stream that never ends by itself."""
    await start(send)
    await body(send, b"first\n", more=True)
    await asyncio.Event().wait()


async def longpoll(scope: Message, receive: Receive, send: Send) -> None:
    await until_shutdown_or_disconnect(receive)
    await respond(send, b"nothing new")


async def deaf_longpoll(scope: Message, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


async def thread(scope: Message, receive: Receive, send: Send) -> None:
    """Synchronous code that nothing can cancel."""
    say("in a thread")
    await asyncio.to_thread(time.sleep, 30)


async def until_shutdown_or_disconnect(receive: Receive) -> None:
    async def disconnect() -> None:
        while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
            pass

    waits = {asyncio.ensure_future(shutdown.wait()), asyncio.ensure_future(disconnect())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def flood(scope: Message, receive: Receive, send: Send) -> None:
    """A response without end, at the pace that `send` allows, until the client leaves."""
    await start(send)
    message = {"type": "http.response.body", "body": b"f" * 16_384, "more_body": True}
    await pour("flood", message, receive, send)


async def pour(name: str, message: Message, receive: Receive, send: Send) -> None:
    gone = asyncio.ensure_future(until_shutdown_or_disconnect(receive))
    sent[name] = 0
    while not gone.done():
        await send(message)
        sent[name] += 16_384
        await asyncio.sleep(0)
    sent[f"{name} ended"] = 1


async def raises(scope: Message, receive: Receive, send: Send) -> None:
    raise RuntimeError("as asked")


async def raises_midway(scope: Message, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"half", more=True)
    await asyncio.sleep(0.05)
    raise RuntimeError("as asked")


async def silent(scope: Message, receive: Receive, send: Send) -> None:
    """An application that returns without an answer."""


async def asked_close(scope: Message, receive: Receive, send: Send) -> None:
    await start(send, 200, (b"content-length", b"2"), (b"connection", b"close"))
    await body(send, b"ok")


async def counters(scope: Message, receive: Receive, send: Send) -> None:
    """What `pour` has sent so far, as JSON."""
    await respond(send, json.dumps(sent).encode())


# WebSocket


async def accept(receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})


async def ws_echo(scope: Message, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        text, data = message.get("text"), message.get("bytes")
        await send({"type": "websocket.send", "text": text, "bytes": data})
    say(f"disconnected {message['code']}")


async def ws_sizes(scope: Message, receive: Receive, send: Send) -> None:
    """A text and a binary message of each length asked for."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        length = int(message["text"])
        await send({"type": "websocket.send", "text": "t" * length})
        await send({"type": "websocket.send", "bytes": b"b" * length})


async def ws_flood(scope: Message, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    message = {"type": "websocket.send", "text": "w" * 16_384}
    await pour("ws_flood", message, receive, send)


async def ws_senders(scope: Message, receive: Receive, send: Send) -> None:
    """`count` tasks that each send three messages of `size` characters, numbered, when told to."""
    count, size = option(scope, "count", 3), option(scope, "size", 8)
    await accept(receive, send)
    texts = [f"{number:0{size}}" for number in range(count)]

    async def sender(text: str) -> None:
        for _ in range(3):
            await send({"type": "websocket.send", "text": text})

    await send({"type": "websocket.send", "text": "ready"})
    await receive()
    await asyncio.gather(*map(sender, texts))


async def ws_numbers(scope: Message, receive: Receive, send: Send) -> None:
    """`count` messages of `size` characters, numbered."""
    count, size = option(scope, "count", 3), option(scope, "size", 8)
    await accept(receive, send)
    for number in range(count):
        await send({"type": "websocket.send", "text": f"{number:0{size}}"})
    await send({"type": "websocket.close"})


async def ws_quiet(scope: Message, receive: Receive, send: Send) -> None:
    """A socket that closes itself with 1012 at shutdown."""
    await accept(receive, send)
    await until_shutdown_or_disconnect(receive)
    await send({"type": "websocket.close", "code": 1012, "reason": "see you soon"})


async def ws_deaf(scope: Message, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await asyncio.Event().wait()


async def ws_unanswered(scope: Message, receive: Receive, send: Send) -> None:
    """A handshake that is left half open."""
    await asyncio.Event().wait()


async def ws_never_receives(scope: Message, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await asyncio.Event().wait()


async def ws_close(scope: Message, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    code = option(scope, "code", 4000)
    await send({"type": "websocket.close", "code": code, "reason": "é" * 100})
    await send({"type": "websocket.send", "text": "too late"})
    say(f"{code} swallowed")


async def ws_refuse(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def ws_raises(scope: Message, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    raise RuntimeError("as asked")
