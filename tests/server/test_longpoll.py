"""Long polling on the wire."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from longpoll import endpoints
from tests.contract.feeds import entry_of
from tests.support.live import LiveServer
from tests.support.raw import RawConnection, headers_of
from tests.support.waiting import until_async
from transports.http.request import Request


async def test_long_poll_waits_then_responds_with_a_length(
    memory_live_server: LiveServer, room: str
) -> None:
    url = memory_live_server.url
    async with await RawConnection.open(url) as connection, httpx.AsyncClient(base_url=url) as http:
        poll = asyncio.create_task(connection.get(f"/longpoll/{room}/?wait=50"))
        await until_async(lambda: entry_of(http, room))
        assert not poll.done(), "no byte before there is an event"
        await http.post(f"/publish/{room}/", json={"sender": "ada", "text": "now"})
        headers = headers_of(await poll)
        assert "transfer-encoding" not in headers
        batch = json.loads(await connection.exactly(int(headers["content-length"])))
        assert [event["text"] for event in batch["events"]] == ["now"]
        # The same connection polls again, from that cursor.
        head = await connection.get(f"/longpoll/{room}/?wait=0&since={batch['cursor']}")
        empty = json.loads(await connection.exactly(int(headers_of(head)["content-length"])))
        assert empty == {**batch, "events": []}


async def test_long_poll_waits_as_long_as_requested(
    memory_live_server: LiveServer, room: str
) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        began = time.monotonic()
        batch = (await http.get(f"/longpoll/{room}/", params={"wait": "0.3"})).json()
        assert time.monotonic() - began >= 0.3, "the response waits as long as requested"
        assert batch["events"] == []


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("", 25), ("wait=", 25), ("wait=0", 0), ("wait=1.5", 1.5), ("wait=55", 55), ("wait=1e9", 55)],
)
def test_wait_has_a_default_and_a_cap(query: str, seconds: float) -> None:
    class Anonymous:
        is_staff = is_authenticated = False

    scope = {
        "user": Anonymous(),
        "url_route": {"kwargs": {"room": "r"}},
        "query_string": query.encode(),
        "headers": [],
    }
    wait = Request(scope).seconds("wait", endpoints.POLL_TIMEOUT, endpoints.LONGEST_POLL_TIMEOUT)
    assert wait == seconds
