"""What a connection held is given back at its end, without waiting for the garbage collector.

The collector looks rarely (`spare_the_collector`): cycles would stay for hours, kilobytes for each
connection that ever was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from .accounts import Accounts
from .live import LiveServer
from .raw import RawConnection
from .waiting import until, until_asked

MANY = 20  # connections


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with Accounts(tmp_path_factory.mktemp("garbage")) as accounts:
        # On a slow machine, the worker's looks for tasks would leave as much as the connections.
        env = {**accounts.env, "REDIS_URL": "", "TASK_SWEEP": "3600"}
        with LiveServer("tests.littering_server:application", env=env) as server:
            yield server


@pytest.fixture
async def http(server: LiveServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url) as http:
        await http.post("/publish/lobby/", json={"sender": "ada", "text": "hello"})
        yield http


def asking(target: str) -> Callable[[LiveServer], Awaitable[None]]:
    async def ask(server: LiveServer) -> None:
        async with await RawConnection.open(server.url) as connection:
            await connection.get(target)

    return ask


async def held(server: LiveServer) -> None:
    """A long poll whose client goes while it waits."""
    async with (
        httpx.AsyncClient(base_url=server.url) as http,
        await RawConnection.open(server.url) as connection,
    ):
        cursor = (await http.get("/polling/lobby/")).json()["cursor"]
        line = f"GET /longpoll/lobby/?since={cursor} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.writer.write(line.encode())

        async def waits() -> object:
            return (await http.get("/users/")).json()

        await until_asked(waits)


async def publish(server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.post("/publish/lobby/", json={"sender": "ada", "text": "hello"})
        assert answer.status_code == 201


async def idle(server: LiveServer) -> None:
    async with await RawConnection.open(server.url):
        pass


async def closed_socket(server: LiveServer) -> None:
    async with connect(f"{server.ws_url}/websocket/lobby/") as socket:
        await socket.recv()
        await socket.send('{"type": "join", "room": "market"}')
        await socket.send('{"type": "leave", "room": "market"}')


async def cut_socket(server: LiveServer) -> None:
    async with connect(f"{server.ws_url}/websocket/tower/?name=ada") as socket:
        await socket.recv()
        socket.transport.abort()


KINDS = {
    "idle": idle,
    "publish": publish,
    "polling": asking("/polling/lobby/"),
    "polling, by name": asking("/polling/tower/?name=ada"),
    "refused": asking("/polling/LOBBY/"),
    "long polling": asking("/longpoll/lobby/"),
    "long polling, cut": held,
    "streaming": asking("/streaming/lobby/"),
    "Server-Sent Events": asking("/streaming/tower/sse/?name=ada"),
    "WebSocket, closed": closed_socket,
    "WebSocket, cut": cut_socket,
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_connection_leaves_no_garbage(
    server: LiveServer, http: httpx.AsyncClient, kind: str
) -> None:
    process = psutil.Process(server.pid)
    await KINDS[kind](server)  # what the first one of its kind makes once
    await http.get("/garbage/")
    before = process.num_fds()
    for _ in range(MANY):
        await KINDS[kind](server)
    await until(lambda: process.num_fds() <= before)
    found = (await http.get("/garbage/")).json()
    # What the worker's first look for tasks leaves is not of the connections.
    left = {name: count for name, count in found.items() if count >= MANY}
    assert not left, "in cycles that the collector had to find"
