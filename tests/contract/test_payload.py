"""A program's own events, with a name and data beside the text."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from transports.events import Event
from transports.registry import TECHNIQUES

from .feeds import BOUND, collect
from .test_problems import check_problem, next_message, open_socket

PAYLOADS: list[dict[str, Any]] = [
    {"name": "order.paid", "data": {"order": 7, "lines": ["차", None, 1.5]}},
    {"name": "tick"},
    {"data": [True, False]},
    {"text": "hi", "data": ""},
]


async def test_each_technique_delivers_name_and_data(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    published = []
    for payload in PAYLOADS:
        response = await http.post(f"/publish/{room}/", json={"sender": "shop", **payload})
        assert response.status_code == 201, response.text
        event = response.json()
        assert {"text": "", **payload} == {
            member: event[member] for member in {"text", *payload} & event.keys()
        }
        published.append(Event.from_document(event))
    for technique in TECHNIQUES:
        received = await collect(technique, server_url, room, count=len(published))
        assert received == published, technique.name


async def test_a_socket_publishes_name_and_data(
    http: httpx.AsyncClient, socket_technique: Any, room: str
) -> None:
    async with asyncio.timeout(BOUND), open_socket(socket_technique, http, room) as socket:
        await next_message(socket)
        await socket.send(
            json.dumps({"type": "publish", "room": room, "sender": "shop", **PAYLOADS[0]})
        )
        (event,) = (await next_message(socket))["events"]
        assert event | PAYLOADS[0] == event


@pytest.mark.parametrize(("query", "fields"), [("", 1), ("?unnamed", 0)])
async def test_server_sent_events_have_the_name_in_their_event_field(
    http: httpx.AsyncClient, room: str, query: str, fields: int
) -> None:
    await http.post(f"/publish/{room}/", json={"sender": "shop", "name": "paid"})
    async with asyncio.timeout(BOUND):
        async with http.stream("GET", f"/streaming/{room}/sse/{query}") as response:
            lines = []
            async for line in response.aiter_lines():
                lines.append(line)
                if line.startswith("data:"):
                    break
    assert lines.count("event: paid") == fields


@pytest.mark.parametrize("name", ["", "open", "error", "a b", "a\nb", "é", "x" * 65, 7, ["a"]])
async def test_an_invalid_name_is_rejected(http: httpx.AsyncClient, room: str, name: Any) -> None:
    document = {"sender": "shop", "text": "hi", "name": name}
    check_problem(await http.post(f"/publish/{room}/", json=document), 400, "name")


async def test_a_key_counts_for_one_payload(http: httpx.AsyncClient, room: str) -> None:
    headers = {"Idempotency-Key": room}
    document = {"sender": "shop", "name": "paid", "data": {"order": 7}}
    path = f"/publish/{room}/"
    first = await http.post(path, json=document, headers=headers)
    assert (await http.post(path, json=document, headers=headers)).json() == first.json()
    other = {**document, "data": {"order": 8}}
    check_problem(await http.post(path, json=other, headers=headers), 422, "key")
