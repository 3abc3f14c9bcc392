"""Back-pressure: bounded memory for clients slower or faster than the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from http.client import HTTPConnection

import httpx
import psutil
import pytest

from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.raw import RawConnection, frame
from tests.support.techniques import ENDLESS, SOCKETS
from tests.support.waiting import BOUND
from transports.hub import TAIL_LENGTH
from transports.registry import Technique

GROWTH = 5_000_000  # bytes
TEXT = "😀" * 1_990  # 8 kB, and room for a number
EVENTS = 1_000  # 8 MB
RECEIVE_BUFFER = 4_096  # bytes that the kernel stores for a client that does not read


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """Run a server whose history is much smaller than the published data."""
    with LiveServer(env={**SERVER_ENVIRONMENT, "HISTORY_LENGTH": "100"}) as server:
        yield server


def resident(server: LiveServer) -> int:
    return int(psutil.Process(server.pid).memory_info().rss)


@asynccontextmanager
async def publishing(server: LiveServer) -> AsyncIterator[Callable[[str, int], Awaitable[str]]]:
    """Yield a function that publishes `count` events to a room and returns the last id."""
    # http.client takes a quarter of the CPU time of httpx.
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=BOUND)) as connection:

        def publish(room: str, count: int) -> str:
            headers = {"Content-Type": "application/json"}
            for number in range(count):
                body = json.dumps({"sender": "ada", "text": f"{number}{TEXT}"})
                connection.request("POST", f"/publish/{room}/", body, headers)
                response = connection.getresponse()
                document = json.load(response)
                assert response.status == 201, document
            return str(document["id"])

        async def publish_in_thread(room: str, count: int) -> str:
            return await asyncio.to_thread(publish, room, count)

        yield publish_in_thread


@asynccontextmanager
async def reading(server: LiveServer, room: str) -> AsyncIterator[None]:
    """Read with one client, so that the room keeps its tail."""
    async with (
        httpx.AsyncClient(base_url=server.url, timeout=BOUND) as http,
        http.stream("GET", f"/streaming/{room}/") as response,
    ):

        async def read() -> None:
            async for _ in response.aiter_raw():
                pass

        task = asyncio.create_task(read())
        yield
        task.cancel()


@asynccontextmanager
async def reading_nothing(
    server: LiveServer, technique: Technique, room: str
) -> AsyncIterator[RawConnection]:
    """Yield a client that has read the start of its response and then stops reading."""
    connection = await RawConnection.open(server.url, receive_buffer=RECEIVE_BUFFER)
    async with connection:
        if technique.scheme == "ws":
            await connection.upgrade(technique.url_path(room))
        else:
            await connection.get(technique.url_path(room))
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        yield connection


@pytest.mark.parametrize("technique", ENDLESS)
async def test_memory_is_bounded_if_a_client_does_not_read(
    server: LiveServer, technique: Technique, room: str
) -> None:
    async with publishing(server) as publish, reading(server, room):
        await publish(room, TAIL_LENGTH)  # the history and the tail are full
        before = resident(server)
        async with reading_nothing(server, technique, room):
            last = await publish(room, EVENTS)
            assert resident(server) - before < GROWTH
            async with httpx.AsyncClient(base_url=server.url) as http:
                batch = (await http.get(f"/polling/{room}/")).json()
                assert batch["cursor"] == last, "other clients are still served"


@pytest.mark.parametrize("technique", SOCKETS)
async def test_memory_is_bounded_if_a_client_sends_too_fast(
    server: LiveServer, technique: Technique, room: str
) -> None:
    message = frame(0x81, json.dumps({"type": "?" * 60_000}).encode())
    async with await RawConnection.open(server.url) as connection:
        await connection.upgrade(technique.url_path(room))
        await connection.message()
        before = resident(server)

        async def send() -> None:
            for _ in range(500):  # 30 MB
                connection.send(message)
                await connection.writer.drain()

        sending = asyncio.create_task(send())
        for _ in range(500):
            _, payload = await connection.message()
            assert json.loads(payload)["code"] == "type"
            assert resident(server) - before < GROWTH
        await sending


@pytest.mark.parametrize("technique", SOCKETS)
async def test_memory_is_bounded_if_pongs_are_not_read(
    server: LiveServer, technique: Technique, room: str
) -> None:
    """Pongs must not accumulate (RFC 6455 §5.5.3: only the latest ping needs one)."""
    pings = frame(0x89, b"p" * 125) * 1_000
    async with publishing(server) as publish:
        await publish(room, TAIL_LENGTH)
        async with reading_nothing(server, technique, room) as connection:
            await publish(room, 20)  # so that the server has unsent data
            before = resident(server)
            for _ in range(300):  # 39 MB
                connection.send(pings)
                try:
                    async with asyncio.timeout(0.5):
                        await connection.writer.drain()
                except TimeoutError:  # the server has stopped reading
                    break
            assert resident(server) - before < GROWTH
            connection.writer.transport.abort()
            async with httpx.AsyncClient(base_url=server.url) as http:
                assert (await http.get("/healthz")).status_code == 200
