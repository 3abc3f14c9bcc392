"""Editing and deleting: events that change earlier events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from .feeds import BOUND, cursor_of, publish
from .test_problems import check_problem, next_message, open_socket


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_anonymous_users_cannot_change_events(
    http: httpx.AsyncClient, room: str, kind: str
) -> None:
    (event,) = await publish(http, room, ["hi"])
    before = await cursor_of(http, room)
    change = {"type": kind, "of": event.id, "text": "hello", "sender": "ada"}
    response = await http.post(f"/publish/{room}/", json=change)
    check_problem(response, 401, kind)
    assert response.headers["www-authenticate"] == "Bearer"
    assert await cursor_of(http, room) == before


@pytest.mark.parametrize("kind", ["shout", "join", "reset", "announcement", "", None, 7, ["edit"]])
async def test_clients_cannot_publish_reserved_types(
    http: httpx.AsyncClient, room: str, kind: Any
) -> None:
    before = await cursor_of(http, room)
    document = {"type": kind, "sender": "ada", "text": "hi"}
    check_problem(await http.post(f"/publish/{room}/", json=document), 400, "type")
    assert await cursor_of(http, room) == before


@pytest.mark.parametrize("kind", ["edit", "delete"])
async def test_anonymous_users_cannot_change_events_on_a_socket(
    http: httpx.AsyncClient, socket_technique: Any, room: str, kind: str
) -> None:
    (event,) = await publish(http, room, ["hi"])
    async with asyncio.timeout(BOUND), open_socket(socket_technique, http, room) as socket:
        await next_message(socket)
        change = {"type": kind, "room": room, "of": event.id, "text": "hello"}
        await socket.send(json.dumps(change))
        assert (await next_message(socket))["code"] == "user"
