"""Orderly stops: every open connection ends before the process exits."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from realtime_demo.asgi_servers import APPLICATION
from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.raw import RawConnection
from tests.support.redis_server import RedisServer
from tests.support.sockets import close_of
from tests.support.techniques import WAITING
from tests.support.waiting import BOUND, repeated_after_a_stall, until, until_async
from transports.registry import TECHNIQUES, Technique

SECONDS = 1.0  # within which every connection must end
STALL = 0.1  # seconds; after a longer stall of the machine, measured times are invalid
SIGNALS = [signal.SIGTERM, signal.SIGINT]
ROOM = "stop"

# Opens a connection in the stack; the returned function checks its end.
Open = Callable[[AsyncExitStack, str], Awaitable[Callable[[], Awaitable[None]]]]


async def raw(stack: AsyncExitStack, url: str) -> RawConnection:
    return await stack.enter_async_context(await RawConnection.open(url))


async def idle(stack: AsyncExitStack, url: str) -> Callable[[], Awaitable[None]]:
    connection = await raw(stack, url)
    connection.request("/healthz")
    await connection.response()

    async def check() -> None:
        assert await connection.rest() == b""

    return check


def half_sent(data: bytes) -> Open:
    """Open a connection with an incomplete request, which is closed with or without a response."""

    async def open_half(stack: AsyncExitStack, url: str) -> Callable[[], Awaitable[None]]:
        connection = await raw(stack, url)
        connection.send(data)
        await connection.writer.drain()

        async def check() -> None:
            with suppress(ConnectionResetError):
                await connection.rest()

        return check

    return open_half


async def long_poll(stack: AsyncExitStack, url: str) -> Callable[[], Awaitable[None]]:
    connection = await raw(stack, url)
    connection.request(f"/longpoll/{ROOM}/?wait=50")

    async def check() -> None:
        status, _, body = await connection.response()
        assert (status, json.loads(body)["events"]) == (200, [])
        assert await connection.rest() == b""

    return check


def stream(technique: Technique) -> Open:
    async def open_stream(stack: AsyncExitStack, url: str) -> Callable[[], Awaitable[None]]:
        connection = await raw(stack, url)
        await connection.get(technique.url_path(ROOM))
        await connection.chunk()

        async def check() -> None:
            assert (await connection.rest()).endswith(b"0\r\n\r\n")

        return check

    return open_stream


def socket(technique: Technique) -> Open:
    async def open_socket(stack: AsyncExitStack, url: str) -> Callable[[], Awaitable[None]]:
        ws_url = f"ws{url.removeprefix('http')}{technique.url_path(ROOM)}"
        connection = await stack.enter_async_context(connect(ws_url))
        async with asyncio.timeout(BOUND):
            await connection.recv()

        async def check() -> None:
            assert (await close_of(connection)).code == 1012

        return check

    return open_socket


def opened_by(technique: Technique) -> Open:
    if technique.name == "polling":
        return idle
    if technique.name == "longpoll":
        return long_poll
    return socket(technique) if technique.scheme == "ws" else stream(technique)


POST = b"POST /publish/stop/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CONNECTIONS: dict[str, Open] = {
    "half a head": half_sent(POST),
    "half a body": half_sent(POST + b"Content-Length: 9\r\n\r\nhalf"),
    "half a handshake": half_sent(b"GET /websocket/stop/ HTTP/1.1\r\nUpgrade: websocket\r\n"),
    **{technique.name: opened_by(technique) for technique in TECHNIQUES},
}


async def ended(name: str, check: Callable[[], Awaitable[None]]) -> None:
    try:
        await check()
    except BaseException as error:
        error.add_note(f"the connection: {name}")
        raise


@pytest.mark.parametrize("signal_number", SIGNALS, ids=lambda number: number.name)
@repeated_after_a_stall(STALL)
async def test_a_stop_ends_all_connections_together(signal_number: int) -> None:
    with LiveServer(env=SERVER_ENVIRONMENT) as server:
        await stop_with_every_connection(server, signal_number)
        assert not re.search("Traceback|destroyed|never awaited|ERROR", server.output())


async def stop_with_every_connection(server: LiveServer, signal_number: int) -> None:
    """Stop the server with all connections open; each must end within `SECONDS`."""
    async with AsyncExitStack() as stack:
        checks = {name: await open_(stack, server.url) for name, open_ in CONNECTIONS.items()}
        async with httpx.AsyncClient(base_url=server.url) as http:
            # Wait until the long poll has been received too.
            requests = [name for name in CONNECTIONS if "half" not in name and name != "polling"]

            async def arrived() -> bool:
                return int((await http.get("/healthz")).json()["users"]) >= len(requests)

            await until_async(arrived)
        began = time.monotonic()
        server.process.send_signal(signal_number)
        await asyncio.gather(*(ended(name, check) for name, check in checks.items()))
        assert time.monotonic() - began < SECONDS
        exit_code = await asyncio.to_thread(server.process.wait, server.stop_timeout)
        assert exit_code in (0, -signal_number)


@pytest.mark.redis
@pytest.mark.parametrize("signal_number", SIGNALS, ids=lambda number: number.name)
@repeated_after_a_stall(STALL)
async def test_a_stop_ends_the_connections_of_two_workers(
    redis_server: RedisServer, signal_number: int
) -> None:
    """Uvicorn's `--workers`: the parent passes the stop on, and each process stops in order."""
    environment = {**SERVER_ENVIRONMENT, "REDIS_URL": redis_server.url}
    with LiveServer(
        APPLICATION, "--workers", "2", server="uvicorn", env=environment, stop_timeout=30
    ) as server:
        serving = psutil.Process(server.pid)
        await until(lambda: len(serving.children()) >= 2)
        connections = [opened_by(technique) for technique in WAITING] * 4
        async with AsyncExitStack() as stack:
            checks = [await open_connection(stack, server.url) for open_connection in connections]
            await asyncio.sleep(0.3)  # the long polls send nothing that could be awaited
            server.process.send_signal(signal_number)
            await asyncio.gather(*(check() for check in checks))
            exit_code = await asyncio.to_thread(server.process.wait, server.stop_timeout)
            assert exit_code in (0, -signal_number)
        assert not re.search("Traceback|destroyed|never awaited", server.output())


async def test_second_signal_ends_the_process_at_once() -> None:
    """Send a second signal while a client that does not read delays the stop."""
    with LiveServer(env=SERVER_ENVIRONMENT) as server:
        async with await RawConnection.open(server.url) as connection:
            await connection.get(f"/streaming/{ROOM}/")
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGINT)
            exit_code = await asyncio.to_thread(server.process.wait, BOUND)
            assert exit_code in (0, -signal.SIGTERM, -signal.SIGINT)


def test_stop_before_the_first_request() -> None:
    with LiveServer(env=SERVER_ENVIRONMENT) as server:
        exit_code: Any = server.stop(signal.SIGTERM)
        assert exit_code in (0, -signal.SIGTERM)
