"""The admin in Chromium, under the Content-Security-Policy of all pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.accounts import Accounts
from tests.support.chromium import console_errors
from tests.support.live import LiveServer

pytestmark = pytest.mark.own_server


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with Accounts(tmp_path_factory.mktemp("accounts")) as accounts:
        accounts.user("root", is_staff=True, is_superuser=True)
        yield accounts


@pytest.fixture(scope="module")
def server(accounts: Accounts) -> Iterator[LiveServer]:
    with LiveServer(env=accounts.env) as server:
        yield server


async def test_the_admin_works_under_the_policy(
    server: LiveServer, accounts: Accounts, context: BrowserContext, room: str
) -> None:
    name, _, value = accounts.session("root")["Cookie"].partition("=")
    await context.add_cookies([{"name": name, "value": value, "url": server.url}])
    page = await context.new_page()
    errors = console_errors(page)
    for path in ("", "auth/user/add/", "access/token/add/", "background/task/"):
        await page.goto(f"{server.url}/admin/{path}")
        await expect(page.locator("#content h1")).to_be_visible()
    await page.goto(f"{server.url}/admin/rooms/room/add/")
    await page.locator("#id_name").fill(room)
    await page.locator("#id_title").fill("A room for tea")
    await page.locator("#id_staff_only").check()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator(".messagelist .success")).to_be_visible()
    # The scripts of the list run: the first checkbox selects all.
    await page.locator("#action-toggle").check()
    await expect(page.locator(".action-select").first).to_be_checked()
    assert [error for error in errors if "404" not in error] == []  # its pages have no icon
