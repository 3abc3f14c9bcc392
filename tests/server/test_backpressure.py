"""A client that is slower than the server, or faster, costs a bounded amount of memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import psutil
import pytest

from tests.conftest import SERVER_ENVIRONMENT
from tests.support.live import LiveServer
from tests.support.raw import RawConnection, frame
from tests.support.waiting import BOUND
from transports.registry import TECHNIQUES, Technique

GROWTH = 8_000_000  # bytes
LENGTH = 20_000  # characters of a text
TEXT = "😀" * (LENGTH - 10)  # 80 kB, and room for a number
EVENTS = 200  # 16 MB
RECEIVE_BUFFER = 4_096  # bytes that the kernel takes for a client that does not read
ENDLESS = [each for each in TECHNIQUES if each.name not in ("polling", "longpoll")]
SOCKETS = [each for each in TECHNIQUES if each.scheme == "ws"]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    """A server whose history is small beside what is published."""
    sizes = {"HISTORY_LENGTH": "10", "TEXT_LENGTH": str(LENGTH), "BODY_SIZE": "200000"}
    with LiveServer(env={**SERVER_ENVIRONMENT, **sizes}) as server:
        yield server


def resident(server: LiveServer) -> int:
    return int(psutil.Process(server.pid).memory_info().rss)


@asynccontextmanager
async def publishing(server: LiveServer) -> AsyncIterator[Callable[[str, int], Awaitable[str]]]:
    """A function that publishes so many events to a room, and returns the last one's id."""
    async with httpx.AsyncClient(base_url=server.url, timeout=BOUND) as http:

        async def publish(room: str, count: int) -> str:
            for number in range(count):
                document = {"sender": "ada", "text": f"{number}{TEXT}"}
                response = await http.post(f"/publish/{room}/", json=document)
                assert response.status_code == 201
            return str(response.json()["id"])

        yield publish


@asynccontextmanager
async def unread(
    server: LiveServer, technique: Technique, room: str
) -> AsyncIterator[RawConnection]:
    """A client that has read the beginning of its response, and reads no more."""
    connection = await RawConnection.open(server.url, receive_buffer=RECEIVE_BUFFER)
    async with connection:
        if technique.scheme == "ws":
            await connection.upgrade(technique.url_path(room))
        else:
            await connection.get(technique.url_path(room))
        connection.reader._transport.pause_reading()  # type: ignore[attr-defined]
        yield connection


@pytest.mark.parametrize("technique", ENDLESS, ids=lambda each: each.name)
async def test_client_that_does_not_read(
    server: LiveServer, technique: Technique, room: str
) -> None:
    async with publishing(server) as publish:
        await publish(room, 30)  # the history and the tail are as full as they get
        before = resident(server)
        async with unread(server, technique, room):
            last = await publish(room, EVENTS)
            assert resident(server) - before < GROWTH
            async with httpx.AsyncClient(base_url=server.url) as http:
                batch = (await http.get(f"/polling/{room}/")).json()
                assert batch["cursor"] == last, "the others are served on"


@pytest.mark.parametrize("technique", SOCKETS, ids=lambda each: each.name)
async def test_client_that_sends_faster_than_the_application_receives(
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


@pytest.mark.parametrize("technique", SOCKETS, ids=lambda each: each.name)
async def test_pings_of_a_client_that_does_not_read(
    server: LiveServer, technique: Technique, room: str
) -> None:
    """The pongs may not pile up (RFC 6455 §5.5.3: only the latest needs an answer)."""
    pings = frame(0x89, b"p" * 125) * 1_000
    async with publishing(server) as publish:
        await publish(room, 30)
        async with unread(server, technique, room) as connection:
            await publish(room, 20)  # so that the server has more to send than is read
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
