"""Experiments on the techniques, at a server of this project."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email import message_from_bytes
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_noop as _
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from realtime_demo.notes.laboratory import BOUND, Laboratory, Observation, http_client, new_room

SILENCE = 1.5  # seconds for which an idle connection is watched
POLL_INTERVAL = 0.25  # seconds


async def publish(url: str, room: str, text: str) -> None:
    """Publish an event over a connection of its own."""
    async with http_client(url) as http:
        response = await http.post(f"/publish/{room}/", json={"sender": "ada", "text": text})
        response.raise_for_status()


async def start_cursor(url: str, room: str) -> str:
    """Return the cursor of the room before its first event."""
    async with http_client(url) as http:
        response = await http.get(f"/polling/{room}/")
        return str(response.raise_for_status().json()["cursor"])


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a TCP connection without an HTTP library, so that its idle time can be observed."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        async with asyncio.timeout(BOUND):
            yield reader, writer
    finally:
        writer.close()


def get(target: str, version: str = "1.1") -> bytes:
    return f"GET {target} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()


async def read_batch(reader: asyncio.StreamReader) -> tuple[Any, int]:
    """Return the batch in the next response, and the number of bytes of the response."""
    response = await reader.readuntil(b"]}")
    return json.loads(response.partition(b"\r\n\r\n")[2]), len(response)


async def idle_connection(laboratory: Laboratory) -> Observation:
    """Publish while a keep-alive connection is idle, then send a request on it."""
    observation, url, room = Observation(), await laboratory.server(), new_room()
    async with connect(url) as (reader, writer):
        writer.write(get(f"/polling/{room}/"))
        batch, _size = await read_batch(reader)
        observation.add(_("A first request is answered; its connection stays open and idle."))
        await publish(url, room, "news")
        silence = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(SILENCE):
                silence = await reader.read(65_536)
        observation.add(
            _("An event is published. In {seconds} s the idle connection receives {count} bytes."),
            seconds=f"{SILENCE:g}",
            count=len(silence),
        )
        sent_at = time.monotonic()
        writer.write(get(f"/polling/{room}/?since={batch['cursor']}"))
        answer, size = await read_batch(reader)
        observation.add(
            _("A second request on it receives the event after {time} ms, in {count} bytes."),
            time=milliseconds(time.monotonic() - sent_at),
            count=size,
        )
    observation.expect(silence == b"" and len(answer["events"]) == 1)
    return observation


async def push(laboratory: Laboratory) -> Observation:
    """Read three events from one response."""
    observation, url, room = Observation(), await laboratory.server(), new_room()
    cursor = await start_cursor(url, room)
    delays = []
    async with connect(url) as (reader, writer):
        writer.write(get(f"/streaming/{room}/?since={cursor}"))
        for number in range(3):
            published = time.monotonic()
            await publish(url, room, f"news {number}")
            await reader.readuntil(f"news {number}".encode())
            delays.append(time.monotonic() - published)
    observation.add(
        _("The client sends one request. Then it only reads: {count} events arrive."),
        count=len(delays),
    )
    observation.add(
        _("The slowest arrives {time} ms after its publisher began to send the request."),
        time=milliseconds(max(delays)),
    )
    return observation


async def polling(laboratory: Laboratory) -> Observation:
    """Poll while two events are published."""
    observation, url, room = Observation(), await laboratory.server(), new_room()
    cursor, count, empty, received = await start_cursor(url, room), 0, 0, 0

    async def publish_twice() -> None:
        for text in ("first", "second"):
            await asyncio.sleep(2.5 * POLL_INTERVAL)
            await publish(url, room, text)

    async with asyncio.timeout(BOUND), http_client(url) as http:
        publishing = asyncio.create_task(publish_twice())
        while received < 2:
            batch = (await http.get(f"/polling/{room}/?since={cursor}")).json()
            cursor, count = batch["cursor"], count + 1
            received += len(batch["events"])
            empty += not batch["events"]
            await asyncio.sleep(POLL_INTERVAL)
        await publishing
    observation.add(
        _(
            "{count} requests, {interval} ms apart, for {events} events; {empty} responses are "
            "empty."
        ),
        count=count,
        interval=f"{POLL_INTERVAL * 1e3:g}",
        events=received,
        empty=empty,
    )
    observation.expect(empty > 0)
    return observation


async def long_polling(laboratory: Laboratory) -> Observation:
    """Wait for an event, and for a poll timeout."""
    observation, url, room = Observation(), await laboratory.server(), new_room()
    cursor = await start_cursor(url, room)
    async with http_client(url) as http:
        sent_at = time.monotonic()
        poll = asyncio.create_task(http.get(f"/longpoll/{room}/?since={cursor}&wait=10"))
        await asyncio.sleep(0.5)
        held = not poll.done()
        await publish(url, room, "news")
        batch = (await poll).json()
        observation.add(
            _("A poll waits until an event is published; the response comes after {time} ms."),
            time=milliseconds(time.monotonic() - sent_at),
        )
        sent_at = time.monotonic()
        empty = (await http.get(f"/longpoll/{room}/?since={batch['cursor']}&wait=1")).json()
        observation.add(
            _("Without an event, a poll with `wait=1` gets an empty response after {time} ms."),
            time=milliseconds(time.monotonic() - sent_at),
        )
    observation.expect(held and len(batch["events"]) == 1 and not empty["events"])
    return observation


async def stream(laboratory: Laboratory) -> Observation:
    """Open a stream in both versions of HTTP/1."""
    observation, url, room = Observation(), await laboratory.server(), new_room()
    fields = {}
    await publish(url, room, "news")
    for version in ("1.0", "1.1"):
        async with connect(url) as (reader, writer):
            writer.write(get(f"/streaming/{room}/", version))
            _status_line, head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)
            await reader.readuntil(b"news")
        message = message_from_bytes(head)
        lengths = [message.get(name, "") for name in ("Content-Length", "Transfer-Encoding")]
        fields[version] = lengths
        observation.add(
            _("HTTP/{version}: Content-Length: {length}; Transfer-Encoding: {coding}."),
            version=version,
            length=lengths[0] or "-",
            coding=lengths[1] or "-",
        )
    observation.add(_("Both receive the event, and both stay open for the next one."))
    observation.expect(fields == {"1.0": ["", ""], "1.1": ["", "chunked"]})
    return observation


async def web_socket(laboratory: Laboratory) -> Observation:
    """Publish and receive on one WebSocket."""
    observation, url, room = Observation(), await laboratory.server(), new_room()
    address = f"ws{url.removeprefix('http')}/websocket/{room}/"
    async with asyncio.timeout(BOUND), open_socket(address, compression=None) as socket:
        port = socket.local_address[1]
        response = socket.response
        assert response is not None
        observation.add(
            _("The handshake is an HTTP request; the response is {status} {reason}."),
            status=response.status_code,
            reason=response.reason_phrase,
        )
        sent = json.dumps({"type": "publish", "room": room, "sender": "ada", "text": "news"})
        await socket.send(sent)
        while True:
            received = str(await socket.recv())
            if "news" in received:
                break
        observation.add(
            _(
                "On the same TCP connection the client sends {sent} bytes of JSON and receives "
                "{count}."
            ),
            sent=len(sent),
            count=len(received),
        )
        observation.expect(response.status_code == 101 and socket.local_address[1] == port)
    return observation


async def handshake_status(url: str, room: str) -> int:
    """Return the status of the response to a WebSocket handshake."""
    address = f"ws{url.removeprefix('http')}/websocket/{room}/"
    try:
        async with open_socket(address, compression=None) as socket:
            assert socket.response is not None
            return socket.response.status_code
    except InvalidStatus as error:
        return error.response.status_code


async def nginx(laboratory: Laboratory) -> Observation:
    """Send a poll and a handshake through nginx, without and with the forwarding of Upgrade."""
    observation, room = Observation(), new_room()
    statuses = []
    for forwards_upgrade in (False, True):
        async with (
            laboratory.nginx(forwards_upgrade=forwards_upgrade) as url,
            http_client(url) as http,
        ):
            poll = (await http.get(f"/polling/{room}/")).status_code
            socket = await handshake_status(url, room)
        observation.add(
            _("`Upgrade` forwarded: a poll gets {poll}, a WebSocket handshake {socket}.")
            if forwards_upgrade
            else _("`proxy_pass` alone: a poll gets {poll}, a WebSocket handshake {socket}."),
            poll=poll,
            socket=socket,
        )
        statuses.append((poll, socket == 101))
    observation.expect(statuses == [(200, False), (200, True)])
    return observation
