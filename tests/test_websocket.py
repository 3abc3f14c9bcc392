"""WebSocket on the wire: frames, close codes, and one thread for the synchronous sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from websocket.consumers import OneThread

from .conftest import SERVER_ENVIRONMENT
from .live import LiveServer
from .waiting import BOUND

PATHS = ["/websocket/{room}/", "/websocket/sync/{room}/"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_batch_is_one_text_frame(
    memory_live_server: LiveServer, room: str, path: str
) -> None:
    url = memory_live_server.ws_url + path.format(room=room)
    async with connect(url, compression=None) as socket, asyncio.timeout(BOUND):
        first = await socket.recv()
        assert isinstance(first, str)
        assert set(json.loads(first)) == {"room", "cursor", "events"}
        async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
            event = await http.post(f"/publish/{room}/", json={"sender": "ada", "text": "안녕"})
        batch = await socket.recv()
        assert json.loads(batch)["events"] == [event.json()]
        assert event.text in batch, "the very bytes of the event, unescaped"


@pytest.mark.parametrize("path", PATHS)
async def test_the_server_says_that_it_restarts(room: str, path: str) -> None:
    with LiveServer(env=SERVER_ENVIRONMENT) as server:
        async with connect(server.ws_url + path.format(room=room)) as socket:
            await socket.recv()
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(BOUND):
                    await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            assert await stopping == 0


@pytest.fixture(scope="module")
def lively() -> Iterator[LiveServer]:
    with LiveServer(env={**SERVER_ENVIRONMENT, "HEARTBEAT": "0.05"}) as server:
        yield server


@pytest.mark.parametrize("path", PATHS)
async def test_signs_of_life(lively: LiveServer, room: str, path: str) -> None:
    async with connect(lively.ws_url + path.format(room=room)) as socket, asyncio.timeout(BOUND):
        for _ in range(4):
            assert json.loads(await socket.recv())["events"] == []


async def test_synchronous_code_has_a_thread_of_its_own() -> None:
    """A handler that blocks holds up its fellows alone: nobody who is not behind `OneThread`."""
    blocked = asyncio.Event()
    let_go = asyncio.Event()
    loop = asyncio.get_running_loop()

    def block() -> None:
        loop.call_soon_threadsafe(blocked.set)
        asyncio.run_coroutine_threadsafe(let_go.wait(), loop).result(BOUND)

    async def blocking(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(block)()

    async def prompt(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(int)()

    behind = OneThread(blocking)
    stuck = asyncio.create_task(behind({}, None, None))  # type: ignore[arg-type]
    async with asyncio.timeout(BOUND):
        await blocked.wait()
        await prompt({}, None, None)
        fellow = asyncio.create_task(behind({}, None, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        let_go.set()
        await asyncio.gather(stuck, fellow)
