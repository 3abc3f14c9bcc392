"""The setting `MAY_ENTER`: private rooms, with the function of docs/access.md, by technique."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.contract.feeds import events_of
from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.waiting import BOUND
from transports.client import Rejected
from transports.registry import Technique

pytestmark = [pytest.mark.own_server]


@pytest.fixture(scope="module")
def server(accounts: Accounts) -> Iterator[LiveServer]:
    env = {**accounts.env, "MAY_ENTER": "tests.support.private_rooms.may_enter"}
    with LiveServer(env=env) as server:
        yield server


@pytest.fixture(scope="module")
def querying_server(accounts: Accounts) -> Iterator[LiveServer]:
    env = {**accounts.env, "MAY_ENTER": "tests.support.private_rooms.is_member"}
    with LiveServer(env=env) as server:
        yield server


def new_user(accounts: Accounts, **attributes: Any) -> tuple[dict[str, str], str]:
    """Create a user; return the headers of their token, and their private room."""
    from django.contrib.auth.models import User

    name = f"u{uuid.uuid4().hex[:10]}"
    accounts.user(name, **attributes)
    key = accounts.now(lambda: User.objects.get(username=name).pk)
    return accounts.token(name), f"user-{key}"


async def test_only_its_user_and_staff_read_a_private_room(
    technique: Technique, server: LiveServer, accounts: Accounts
) -> None:
    (owner, room), (other, _) = new_user(accounts), new_user(accounts)
    staff, _ = new_user(accounts, is_staff=True)
    async with httpx.AsyncClient(base_url=server.url, headers=staff) as http:
        assert (await http.post(f"/publish/{room}/", json={"text": "hi"})).status_code == 201
    for headers in (owner, staff):
        stream = events_of(technique, server.url, room, headers=headers)
        async with asyncio.timeout(BOUND), aclosing(stream) as events:
            assert (await anext(events)).text == "hi"
    for stranger in (other, {}):
        stream = events_of(technique, server.url, room, headers=stranger)
        async with asyncio.timeout(BOUND), aclosing(stream) as events:
            with pytest.raises(Rejected) as rejected:
                await anext(events)
        assert rejected.value.status == 403


async def test_its_user_may_not_publish_there(server: LiveServer, accounts: Accounts) -> None:
    owner, room = new_user(accounts)
    async with httpx.AsyncClient(base_url=server.url, headers=owner) as http:
        for document in ({"text": "hi"}, {"type": "delete", "of": "abc-1"}):
            response = await http.post(f"/publish/{room}/", json=document)
            assert (response.status_code, response.json()["code"]) == (403, "room")


async def test_a_socket_publishes_only_where_that_is_allowed(
    socket_technique: Technique, server: LiveServer, accounts: Accounts, room: str
) -> None:
    (owner, own), (_, others) = new_user(accounts), new_user(accounts)
    url = server.ws_url + socket_technique.url_path(own)
    async with asyncio.timeout(BOUND), connect(url, additional_headers=owner) as socket:

        async def send(**message: str) -> Any:
            await socket.send(json.dumps(message))
            return json.loads(await socket.recv())

        await socket.recv()
        for target in (own, others):
            answer = await send(type="publish", room=target, text="hi")
            assert (answer["type"], answer["code"]) == ("error", "room")
        assert (await send(type="join", room=others))["code"] == "room"
        assert (await send(type="join", room=room))["room"] == room
        assert (await send(type="publish", room=room, text="hi"))["events"][0]["text"] == "hi"


async def test_may_enter_may_query_the_database(
    technique: Technique, querying_server: LiveServer, accounts: Accounts, room: str
) -> None:
    from django.contrib.auth.models import Group, User

    (member, name), (stranger, _) = new_user(accounts), new_user(accounts)

    def user() -> Any:
        return User.objects.get(pk=name.removeprefix("user-"))

    accounts.now(lambda: user().groups.add(Group.objects.create(name=room)))
    url = querying_server.url
    async with httpx.AsyncClient(base_url=url) as http:
        for headers, status in ((member, 201), (stranger, 403), ({}, 403)):
            document = {"text": "hi", "sender": "ada"}
            response = await http.post(f"/publish/{room}/", json=document, headers=headers)
            assert response.status_code == status
        rooms = (await http.get("/rooms/", headers=stranger)).json()["rooms"]
        assert room not in [each["room"] for each in rooms]
    stream = events_of(technique, url, room, headers=member)
    async with asyncio.timeout(BOUND), aclosing(stream) as events:
        assert (await anext(events)).text == "hi"
        if technique.scheme == "ws":
            ws_url = querying_server.ws_url + technique.url_path(room)
            async with connect(ws_url, additional_headers=member) as socket:
                await socket.recv()
                await socket.send(json.dumps({"type": "publish", "room": room, "text": "ho"}))
                assert (await anext(events)).text == "ho"
        accounts.now(lambda: user().groups.clear())
        with pytest.raises(Rejected) as rejected:
            await anext(events)
    assert rejected.value.status == 403
