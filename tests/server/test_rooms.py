"""Rooms as rows, and the admin of rooms, tokens and tasks, over a live server."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.contract.feeds import cursor_of, entry_of
from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.techniques import WAITING
from tests.support.waiting import until_async
from transports.registry import Technique

pytestmark = [pytest.mark.own_server]

HIDDEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
ISSUED = re.compile(r'<pre id="issued-token">([^<]+)</pre>')
SOON = 20.0  # seconds: less than a long poll waits


@pytest.fixture(scope="module")
def server(accounts: Accounts) -> Iterator[LiveServer]:
    accounts.user("root", is_staff=True, is_superuser=True)
    with LiveServer(env={**accounts.env, "HEARTBEAT": "30"}) as server:
        yield server


@pytest.fixture
def server_url(server: LiveServer) -> str:
    return server.url


@pytest.fixture
async def admin(server: LiveServer, accounts: Accounts) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client that is logged in as a superuser."""
    session = accounts.session("root")["Cookie"].partition("=")
    async with httpx.AsyncClient(base_url=server.url, cookies={session[0]: session[2]}) as client:
        yield client


async def submit(admin: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Fill in and send the form at `path`."""
    form = await admin.get(path)
    assert form.status_code == 200, form.text
    token = HIDDEN.search(form.text)
    assert token is not None
    return await admin.post(path, data={"csrfmiddlewaretoken": token[1], **fields})


# --- Rooms -------------------------------------------------------------------------------------


async def test_staff_make_a_room_with_a_title(
    admin: httpx.AsyncClient, http: httpx.AsyncClient, room: str
) -> None:
    response = await submit(admin, "/admin/rooms/room/add/", name=room, title="차 마시는 방")
    assert response.status_code == 302, response.text

    async def has_title() -> bool:
        return await entry_of(http, room) == {
            "room": room,
            "title": "차 마시는 방",
            "connections": 0,
            "people": [],
        }

    await until_async(has_title)
    assert "차 마시는 방" in (await http.get(f"/?room={room}")).text
    assert (await http.get(f"/polling/{room}/")).status_code == 200


async def test_an_invalid_name_is_rejected(admin: httpx.AsyncClient) -> None:
    response = await submit(admin, "/admin/rooms/room/add/", name="Not A Room")
    assert response.status_code == 200
    assert "1 to 64 of the characters" in response.text


@pytest.mark.parametrize("technique", WAITING)
async def test_a_room_that_becomes_staff_only_closes_to_others(
    technique: Technique,
    http: httpx.AsyncClient,
    server: LiveServer,
    accounts: Accounts,
    room: str,
) -> None:
    from transports.client import BackOff, Rejected
    from transports.rooms.models import Room

    since = await cursor_of(http, room)
    options: dict[str, Any] = {"back_off": BackOff(first=0.01, most=0.05)}

    async def follow() -> int:
        try:
            async for _ in technique.events(server.url, room, since, **options):
                pass
        except Rejected as rejected:
            return rejected.status
        return 0

    async def is_connected() -> bool:
        listing = await entry_of(http, room)
        return listing is not None and listing["connections"] > 0

    following = asyncio.create_task(follow())
    await until_async(is_connected)
    accounts.now(lambda: Room.objects.create(name=room, staff_only=True))
    async with asyncio.timeout(SOON):
        assert await following == 403
    document = {"sender": "ada", "text": "hi"}
    assert (await http.post(f"/publish/{room}/", json=document)).status_code == 403
    assert await entry_of(http, room) is None
    staff = accounts.token("root")
    assert (await http.get(f"/polling/{room}/", headers=staff)).status_code == 200


# --- Tokens ------------------------------------------------------------------------------------


async def test_a_token_is_issued_once_and_revoked(
    admin: httpx.AsyncClient, http: httpx.AsyncClient, accounts: Accounts, room: str
) -> None:
    from django.contrib.auth.models import User

    from transports.auth.models import Token

    user = accounts.now(lambda: User.objects.get(username="root").pk)
    fields = {"user": user, "note": room, "expires_at_0": "2099-01-01", "expires_at_1": "00:00:00"}
    issued = await submit(admin, "/admin/access/token/add/", **fields)
    assert "no-store" in issued.headers["cache-control"]
    token = ISSUED.search(issued.text)
    assert token is not None
    headers = {"Authorization": f"Bearer {token[1]}"}
    path = f"/publish/{room}/"
    event = (await http.post(path, json={"text": "hi"}, headers=headers)).json()
    assert (event["sender"], event["verified"]) == ("root", True)
    listing = await admin.get("/admin/access/token/")
    assert room in listing.text
    assert token[1] not in listing.text

    row = accounts.now(lambda: Token.objects.get(note=room).pk)
    deleted = await submit(admin, f"/admin/access/token/{row}/delete/", post="yes")
    assert deleted.status_code == 302
    assert (await http.post(path, json={"text": "hi"}, headers=headers)).status_code == 401


async def test_an_expired_token_is_not_issued(admin: httpx.AsyncClient, accounts: Accounts) -> None:
    from django.contrib.auth.models import User

    user = accounts.now(lambda: User.objects.get(username="root").pk)
    fields = {"user": user, "expires_at_0": "2001-01-01", "expires_at_1": "00:00:00"}
    response = await submit(admin, "/admin/access/token/add/", **fields)
    assert "must be in the future" in response.text


# --- Tasks -------------------------------------------------------------------------------------


async def test_tasks_are_retried_and_cancelled(
    admin: httpx.AsyncClient, http: httpx.AsyncClient, accounts: Accounts, room: str
) -> None:
    from background.models import Task

    staff = accounts.token("root")
    arguments = {"room": room, "lines": 1_000, "pause": 0.05}
    document = {"kind": "conversation", "arguments": arguments}
    task = (await http.post("/tasks/", json=document, headers=staff)).json()["id"]

    async def status() -> str:
        return str((await http.get(f"/tasks/{task}/", headers=staff)).json()["status"])

    async def act(action: str) -> None:
        response = await submit(
            admin, "/admin/background/task/", action=action, _selected_action=task
        )
        assert response.status_code == 302, response.text

    async def is_running() -> bool:
        return await status() == "running"

    await until_async(is_running)
    assert (await admin.get(f"/admin/background/task/{task}/change/")).status_code == 200
    await act("cancel")
    assert await status() == "failed"
    shorter = {**arguments, "lines": 1}
    accounts.now(lambda: Task.objects.filter(pk=task).update(arguments=shorter))
    await act("retry")

    async def is_done() -> bool:
        return await status() == "done"

    await until_async(is_done)


# --- Access ------------------------------------------------------------------------------------


async def test_the_admin_uses_the_login_view(
    http: httpx.AsyncClient, server: LiveServer, accounts: Accounts
) -> None:
    response = await http.get("/admin/", follow_redirects=True)
    assert response.url.path == "/login/"
    assert response.url.params["next"] == "/admin/"
    name = f"u{uuid.uuid4().hex[:10]}"
    accounts.user(name)
    response = await http.get("/admin/", headers=accounts.session(name), follow_redirects=True)
    assert response.url.path == "/login/"
