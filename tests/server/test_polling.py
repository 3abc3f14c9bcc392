"""Short polling on the wire."""

from __future__ import annotations

import json

import httpx

from tests.support.live import LiveServer
from tests.support.raw import RawConnection, headers_of


async def test_responses_have_lengths_and_keep_the_connection(
    memory_live_server: LiveServer, room: str
) -> None:
    async with await RawConnection.open(memory_live_server.url) as connection:
        for _ in range(3):
            head = await connection.get(f"/polling/{room}/")
            headers = headers_of(head)
            assert head[0] == "HTTP/1.1 200 OK"
            assert "transfer-encoding" not in headers
            assert headers["content-type"] == "application/json"
            assert headers["cache-control"] == "no-store"
            body = await connection.exactly(int(headers["content-length"]))
            batch = json.loads(body)
            assert set(batch) == {"room", "cursor", "events"}
            assert (batch["room"], batch["events"]) == (room, [])


async def test_an_empty_batch_has_the_cursor(memory_live_server: LiveServer, room: str) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        event = (await http.post(f"/publish/{room}/", json={"sender": "ada", "text": "hi"})).json()
        batch = (await http.get(f"/polling/{room}/", params={"since": event["id"]})).json()
        assert batch == {"room": room, "cursor": event["id"], "events": []}
        # An empty `since` counts as omitted: a form or a script without a cursor may send it.
        batch = (await http.get(f"/polling/{room}/?since=")).json()
        assert batch["events"] == [event]
