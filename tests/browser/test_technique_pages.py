"""The pages of the techniques in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from realtime_demo.web.technique_pages import PAGES, TechniquePage
from tests.support.chromium import console_errors
from tests.support.live import LiveServer
from tests.support.page import lane, violations

pytestmark = pytest.mark.own_server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phone(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        locale="ko", viewport={"width": 390, "height": 844}, reduced_motion="reduce"
    )
    yield context
    await context.close()


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.app)
async def test_technique_page_is_live_and_accessible(
    phone: BrowserContext, memory_live_server: LiveServer, page: TechniquePage
) -> None:
    tab = await phone.new_page()
    errors = console_errors(tab)
    await tab.goto(f"{memory_live_server.url}/{page.app}/")
    for name in page.names:
        await expect(lane(tab, name)).to_have_attribute("data-state", "open", timeout=30_000)
    async with httpx.AsyncClient(base_url=memory_live_server.url) as client:
        await client.post("/publish/lobby/", json={"sender": "ada", "text": "안녕"})
    for name in page.names:
        received = lane(tab, name).locator('[data-count="received"]')
        await expect(received).not_to_have_text("0", timeout=30_000)
    assert await tab.evaluate("document.documentElement.scrollWidth") == 390
    assert await violations(tab) == []
    assert errors == []
    await tab.close()


async def test_language_link_keeps_the_current_settings(
    browser: Browser, memory_live_server: LiveServer
) -> None:
    context = await browser.new_context(locale="en")
    tab = await context.new_page()
    await tab.goto(f"{memory_live_server.url}/longpoll/")
    await tab.evaluate("history.replaceState(null, '', '?window=10')")
    await tab.get_by_role("link", name="한국어").click()
    await expect(tab.locator("html")).to_have_attribute("lang", "ko")
    assert tab.url == f"{memory_live_server.url}/longpoll/?window=10&lang=ko"
    await expect(tab.get_by_role("heading", level=1)).to_have_text("롱 폴링")
    await context.close()
