"""Ended sessions, the login page, and pages of logged-in users."""

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
def accounts(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with Accounts(tmp_path_factory.mktemp("accounts"), url=database_url) as accounts:
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
    """Return the cookie of a session that a new password has ended."""
    headers = accounts.session(user)

    def change() -> None:
        account = users().get(username=user)
        account.set_password("right")
        account.save()

    accounts.now(change)
    return headers


def session_cookies(response: httpx.Response) -> list[str]:
    """Return the values that the response sets for the session cookie, in order."""
    return [
        value.partition("=")[2].partition(";")[0]
        for value in response.headers.get_list("set-cookie")
        if value.startswith("sessionid=")
    ]


async def test_login_works_with_the_cookie_of_an_ended_session(
    server: LiveServer, accounts: Accounts, user: str
) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        form = await http.get("/login/")  # opened before the session ended
        token = HIDDEN.search(form.text)
        assert token is not None
        cookie = ended_session(accounts, user)["Cookie"]
        response = await http.post(
            "/login/",
            headers={"Cookie": f"{cookie}; csrftoken={form.cookies['csrftoken']}"},
            data={"username": user, "password": "right", "csrfmiddlewaretoken": token[1]},
        )
        assert response.status_code == 302
        (key,) = session_cookies(response)
        page = await http.get("/", headers={"Cookie": f"sessionid={key}"})
        assert "Log out" in page.text


async def test_a_long_poll_with_an_old_cookie_sets_no_cookie(
    server: LiveServer, accounts: Accounts, user: str, room: str
) -> None:
    """The browser may have logged in again before the response arrives."""
    cookie = ended_session(accounts, user)
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        since = (await http.get(f"/polling/{room}/")).json()["cursor"]
        query = {"since": since, "wait": "30"}
        long_poll = asyncio.create_task(
            http.get(f"/longpoll/{room}/", params=query, headers=cookie)
        )
        document = {"sender": "ada", "text": "hi"}
        assert (await http.post(f"/publish/{room}/", json=document)).status_code == 201
        response = await long_poll
    assert response.status_code == 200
    assert session_cookies(response) == []


@pytest.mark.parametrize("path", ["/", "/polling/", "/?room=staff-x", "/nowhere"])
async def test_a_page_with_a_users_name_is_not_cached(
    path: str, server: LiveServer, accounts: Accounts, user: str
) -> None:
    """The next user of the same browser must not see it with the back button."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        page = await http.get(path, headers=accounts.session(user))
        assert user in page.text
        assert "no-store" in page.headers["cache-control"]
        assert "private" in page.headers["cache-control"]
        assert "Cookie" in page.headers["vary"]


@pytest.mark.parametrize("path", ["/login/", "/login/?next=/polling/"])
async def test_the_login_page_does_not_link_to_itself(path: str, server: LiveServer) -> None:
    """After the login, such a link would ask for a login again."""
    async with httpx.AsyncClient(base_url=server.url) as http:
        page = await http.get(path)
        assert page.status_code == 200
        for link in re.findall(r'href="([^"]*)"', page.text):
            assert "next=%2Flogin" not in link


async def test_a_long_name_is_cut_on_the_page_as_in_the_feed(
    server: LiveServer, accounts: Accounts, room: str
) -> None:
    """The page compares names to find the user's own events."""
    name = f"{uuid.uuid4().hex}{'x' * 60}"
    accounts.now(lambda: users().create_user(name))
    session = accounts.session(name)
    async with httpx.AsyncClient(base_url=server.url, headers=session) as http:
        page = (await http.get("/")).text
        event = (await http.post(f"/publish/{room}/", json={"text": "hi"})).json()
    (field,) = re.findall(r'<input id="sender"[^>]*value="([^"]*)" readonly', page)
    configuration = re.search(r'<script id="configuration"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert configuration is not None
    assert field == json.loads(configuration[1])["name"] == event["sender"] == name[:40]


@pytest.mark.parametrize(
    ("query", "link"),
    [("", "/"), ("?next=/polling/", "/polling/"), ("?next=//evil.test/", "/")],
)
async def test_the_login_page_links_onward_if_logged_in(
    query: str, link: str, server: LiveServer, accounts: Accounts, user: str
) -> None:
    """The user may have logged in in another tab after the session ended."""
    async with httpx.AsyncClient(base_url=server.url, headers=accounts.session(user)) as http:
        page = (await http.get(f"/login/{query}")).text
    assert f'You are already logged in. <a href="{link}">' in page
    assert "may not" not in page
