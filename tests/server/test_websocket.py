"""WebSocket on the wire: frames, close codes, and one thread for the synchronous sockets."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from websockets.asyncio.client import connect

from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.waiting import BOUND, until
from transports import hub
from websocket.consumers import FeedConsumer, OneThread, accepted_subprotocol

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
        assert event.text in batch, "the event's bytes, unescaped"


@pytest.fixture(scope="module")
def heartbeat_server() -> Iterator[LiveServer]:
    with LiveServer(env={**SERVER_ENVIRONMENT, "HEARTBEAT": "0.05"}) as server:
        yield server


@pytest.mark.parametrize("path", PATHS)
async def test_heartbeats_are_sent(heartbeat_server: LiveServer, room: str, path: str) -> None:
    async with (
        connect(heartbeat_server.ws_url + path.format(room=room)) as socket,
        asyncio.timeout(BOUND),
    ):
        for _ in range(4):
            assert json.loads(await socket.recv())["events"] == []


async def test_synchronous_code_has_a_thread_of_its_own() -> None:
    """A blocking handler delays only handlers behind the same `OneThread`."""
    blocked = asyncio.Event()
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def block() -> None:
        loop.call_soon_threadsafe(blocked.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(BOUND)

    async def blocking(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(block)()

    async def prompt(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(int)()

    one_thread = OneThread(blocking)
    blocked_call = asyncio.create_task(one_thread({}, None, None))  # type: ignore[arg-type]
    async with asyncio.timeout(BOUND):
        await blocked.wait()
        await prompt({}, None, None)
        next_call = asyncio.create_task(one_thread({}, None, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(blocked_call, next_call)


def scope_of(room: str) -> dict[str, Any]:
    return {
        "type": "websocket",
        "path": f"/websocket/{room}/",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
        "subprotocols": [],
        "client": ["127.0.0.1", 1],
        "user": AnonymousUser(),
        "url_route": {"kwargs": {"room": room}},
    }


async def test_a_stop_ignores_a_client_that_has_left(room: str) -> None:
    arriving: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    arriving.put_nowait({"type": "websocket.connect"})
    sent: list[str] = []
    errors: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "websocket.close":
            raise ConnectionResetError  # the server has not reported the disconnect yet

    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    socket = asyncio.create_task(FeedConsumer.as_asgi()(scope_of(room), arriving.get, send))
    await until(lambda: "websocket.send" in sent)
    await hub.aclose()
    await until(lambda: "websocket.close" in sent)
    arriving.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await socket
    gc.collect()  # reports an exception that nothing has retrieved
    assert errors == []


async def test_backlogs_are_read_one_after_another() -> None:
    """A client that joins rooms but does not read must not make the server read all backlogs."""
    arriving: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    arriving.put_nowait({"type": "websocket.connect"})
    for room in ("b", "c", "d", "d"):
        command = json.dumps({"type": "join", "room": f"backlog-{room}"})
        arriving.put_nowait({"type": "websocket.receive", "text": command})
    sent: list[dict[str, Any]] = []
    may_send = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            sent.append(json.loads(message["text"]))
            if "events" in sent[-1]:
                await may_send.wait()

    socket = asyncio.create_task(FeedConsumer.as_asgi()(scope_of("backlog-a"), arriving.get, send))
    try:
        await until(lambda: any("code" in message for message in sent))  # "d" is joined already
        for _ in range(100):  # enough turns for the other backlogs
            await asyncio.sleep(0)
        assert [message.get("room", message.get("code")) for message in sent] == [
            "backlog-a",
            "joined",
        ]
        may_send.set()
        await until(lambda: len(sent) == 5)
        assert [message["room"] for message in sent[2:]] == ["backlog-b", "backlog-c", "backlog-d"]
    finally:
        arriving.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await socket
        await hub.aclose()


def test_the_token_is_never_the_accepted_subprotocol() -> None:
    for offered, accepted in (
        (["realtime.v1", "token.x"], "realtime.v1"),
        (["token.x", "realtime.v1"], "realtime.v1"),
        (["token.x"], None),
        (["other"], None),
        ([], None),
    ):
        assert accepted_subprotocol({"subprotocols": offered}) == accepted
