"""What a session that has ended does to the next one, and pages that are one person's."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.accounts import Accounts
from tests.support.live import LiveServer

pytestmark = [pytest.mark.own_server]

HIDDEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with Accounts(tmp_path_factory.mktemp("accounts")) as accounts:
        yield accounts


@pytest.fixture(scope="module")
def server(accounts: Accounts) -> Iterator[LiveServer]:
    with LiveServer(env={**accounts.env, "DEBUG": "0"}) as server:
        yield server


@pytest.fixture
def user(accounts: Accounts) -> str:
    name = f"u{uuid.uuid4().hex[:10]}"
    accounts.now(lambda: users().create_user(name, password="right"))
    return name


def users() -> Any:
    from django.contrib.auth.models import User

    return User.objects


def ended_session(accounts: Accounts, user: str) -> dict[str, str]:
    """The cookie of a session that a new password has ended."""
    headers = accounts.session(user)

    def change() -> None:
        found = users().get(username=user)
        found.set_password("right")
        found.save()

    accounts.now(change)
    return headers


def session_cookies(response: httpx.Response) -> list[str]:
    """What the response makes of the session cookie, in the order in which a browser does it."""
    return [
        value.partition("=")[2].partition(";")[0]
        for value in response.headers.get_list("set-cookie")
        if value.startswith("sessionid=")
    ]


async def test_login_works_with_the_cookie_of_an_ended_session(
    server: LiveServer, accounts: Accounts, user: str
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        form = await http.get("/login/")  # open since before
        found = HIDDEN.search(form.text)
        assert found is not None
        cookie = ended_session(accounts, user)["Cookie"]
        response = await http.post(
            "/login/",
            headers={"Cookie": f"{cookie}; csrftoken={form.cookies['csrftoken']}"},
            data={"username": user, "password": "right", "csrfmiddlewaretoken": found[1]},
        )
        assert response.status_code == 302
        (key,) = session_cookies(response)
        page = await http.get("/", headers={"Cookie": f"sessionid={key}"})
        assert "Log out" in page.text


async def test_a_long_poll_with_an_old_cookie_sets_no_cookie(
    server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    """Its answer comes when its browser may long have logged in again."""
    cookie = ended_session(accounts, user)
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        since = (await http.get(f"/polling/{room}/")).json()["cursor"]
        query = {"since": since, "wait": "30"}
        held = asyncio.create_task(http.get(f"/longpoll/{room}/", params=query, headers=cookie))
        said = {"sender": "ada", "text": "hi"}
        assert (await http.post(f"/publish/{room}/", json=said)).status_code == 201
        answer = await held
    assert answer.status_code == 200
    assert session_cookies(answer) == []


@pytest.mark.parametrize("path", ["/", "/polling/", "/?room=staff-x", "/nowhere"])
async def test_a_page_with_a_users_name_is_not_cached(
    path: str, server: LiveServer, accounts: Accounts, user: str
) -> None:
    """Who comes after them to the same machine and goes back finds no page of theirs."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        page = await http.get(path, headers=accounts.session(user))
        assert user in page.text
        assert "no-store" in page.headers["cache-control"]
        assert "private" in page.headers["cache-control"]
        assert "Cookie" in page.headers["vary"]


@pytest.mark.parametrize("path", ["/login/", "/login/?next=/polling/"])
async def test_the_login_page_does_not_link_to_itself(path: str, server: LiveServer) -> None:
    """Who logged in there would be asked to log in."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        page = await http.get(path)
        assert page.status_code == 200
        for link in re.findall(r'href="([^"]*)"', page.text):
            assert "next=%2Flogin" not in link


async def test_a_long_name_is_cut_on_the_page_as_in_the_feed(
    server: LiveServer, accounts: Accounts, room: str
) -> None:
    """Cut, so that who bears it finds what is theirs."""
    name = f"{uuid.uuid4().hex}{'x' * 60}"
    accounts.now(lambda: users().create_user(name))
    session = accounts.session(name)
    async with httpx.AsyncClient(base_url=server.url, headers=session) as http:
        page = (await http.get("/")).text
        said = (await http.post(f"/publish/{room}/", json={"text": "hi"})).json()
    (field,) = re.findall(r'<input id="sender"[^>]*value="([^"]*)" readonly', page)
    configuration = re.search(r'<script id="configuration"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert configuration is not None
    assert field == json.loads(configuration[1])["name"] == said["sender"] == name[:40]


@pytest.mark.parametrize(
    ("asked", "link"),
    [("", "/"), ("?next=/polling/", "/polling/"), ("?next=//evil.test/", "/")],
)
async def test_the_login_page_links_onward_if_logged_in(
    asked: str, link: str, server: LiveServer, accounts: Accounts, user: str
) -> None:
    """In another tab, that is, since this one has said that the session has ended."""
    async with httpx.AsyncClient(base_url=server.url, headers=accounts.session(user)) as http:
        page = (await http.get(f"/login/{asked}")).text
    assert f'You are logged in already. <a href="{link}">' in page
    assert "may not" not in page
