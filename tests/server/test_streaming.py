"""Both framings of streaming on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.raw import RawConnection, headers_of


async def publish(url: str, room: str, text: str) -> bytes:
    async with httpx.AsyncClient(base_url=url) as http:
        return (await http.post(f"/publish/{room}/", json={"sender": "ada", "text": text})).content


async def test_ndjson_is_chunked_with_an_event_per_line(
    memory_live_server: LiveServer, room: str
) -> None:
    url = memory_live_server.url
    first = await publish(url, room, "1")
    async with await RawConnection.open(url) as connection:
        head = await connection.get(f"/streaming/{room}/")
        headers = headers_of(head)
        assert "content-length" not in headers
        assert headers["transfer-encoding"] == "chunked"
        assert headers["content-type"] == "application/x-ndjson"
        assert "content-encoding" not in headers, "identity is not a coding (RFC 9110 §8.4.1)"
        assert headers["cache-control"] == "no-store, no-transform"
        assert headers["incremental"] == "?1"
        assert headers["x-accel-buffering"] == "no"
        assert await connection.chunk() == first + b"\n"
        second = await publish(url, room, "2\n\u2028")
        assert await connection.chunk() == second + b"\n"


async def test_server_sent_events_have_id_and_data(
    memory_live_server: LiveServer, room: str
) -> None:
    url = memory_live_server.url
    async with await RawConnection.open(url) as connection:
        headers = headers_of(await connection.get(f"/streaming/{room}/sse/"))
        assert headers["content-type"] == "text/event-stream"
        assert headers["transfer-encoding"] == "chunked"
        start = headers["cursor"].encode()
        assert (await connection.chunk()).endswith(b"\nid: " + start + b"\n\n:\n\n")
        event = await publish(url, room, "a\r\nb\n\ndata: c")
        event_id = json.loads(event)["id"].encode()
        assert await connection.chunk() == b"id: " + event_id + b"\ndata: " + event + b"\n\n"


async def test_last_event_id_wins_over_since(memory_live_server: LiveServer, room: str) -> None:
    url = memory_live_server.url
    one, two = [json.loads(await publish(url, room, text))["id"] for text in "12"]
    three = await publish(url, room, "3")
    for since, header in ((one, f"Last-Event-ID: {two}"), (two, "Last-Event-ID:")):
        async with await RawConnection.open(url) as connection:
            await connection.get(f"/streaming/{room}/sse/?since={since}", header)
            assert three in await connection.chunk()


async def test_reconnection_times_are_spread(memory_live_server: LiveServer, room: str) -> None:
    """A restart's clients come back within a second, not in the same moment."""
    times = set()
    for _ in range(4):
        async with await RawConnection.open(memory_live_server.url) as connection:
            await connection.get(f"/streaming/{room}/sse/")
            retry, _, _ = (await connection.chunk()).partition(b"\n")
            times.add(int(retry.removeprefix(b"retry: ")))
    assert len(times) > 1
    assert all(500 <= milliseconds <= 1_500 for milliseconds in times)


@pytest.fixture(scope="module")
def heartbeat_server() -> Iterator[LiveServer]:
    environment = {**SERVER_ENVIRONMENT, "HEARTBEAT": "0.05", "STREAM_LIFETIME": "1"}
    with LiveServer(env=environment) as server:
        yield server


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("path", ["/streaming/{room}/", "/streaming/{room}/sse/"])
async def test_stream_ends_between_two_events_after_its_lifetime(
    heartbeat_server: LiveServer, room: str, path: str, busy: bool
) -> None:
    url, published = heartbeat_server.url, [b""]  # the first is always received
    async with await RawConnection.open(url) as connection:
        await connection.get(path.format(room=room))
        received = await connection.chunk()
        while chunk := await connection.chunk():  # the last chunk is empty (RFC 9112 §7.1)
            received += chunk
            if busy and published[-1] in received:
                published.append(await publish(url, room, str(len(published))))
    assert received.endswith(b"\n")
    assert received.count(b'"message"') >= len(published) - 2, "only the last may be missing"
    if busy:
        assert len(published) > 2


async def test_heartbeats_are_sent(heartbeat_server: LiveServer, room: str) -> None:
    for path, first, heartbeat in (
        (f"/streaming/{room}/", b"\n", b"\n"),
        (f"/streaming/{room}/sse/", b"\nid: START\n\n:\n\n", b":\n\n"),
    ):
        async with await RawConnection.open(heartbeat_server.url) as connection:
            start = headers_of(await connection.get(path))["cursor"].encode()
            assert (await connection.chunk()).endswith(first.replace(b"START", start))
            for _ in range(3):
                assert await connection.chunk() == heartbeat
