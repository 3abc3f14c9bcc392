"""Short polling on the wire."""

from __future__ import annotations

import httpx

from tests.support.live import LiveServer


async def test_an_empty_batch_has_the_cursor(memory_live_server: LiveServer, room: str) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        event = (await http.post(f"/publish/{room}/", json={"sender": "ada", "text": "hi"})).json()
        batch = (await http.get(f"/polling/{room}/", params={"since": event["id"]})).json()
        assert batch == {"room": room, "cursor": event["id"], "events": []}
        # An empty `since` counts as omitted: a form or a script without a cursor may send it.
        batch = (await http.get(f"/polling/{room}/?since=")).json()
        assert batch["events"] == [event]
