"""The pages of the techniques in a real Chromium."""

from __future__ import annotations

from typing import Literal

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from realtime_demo.web.technique_pages import PAGES, TechniquePage
from tests.support.chromium import complaints
from tests.support.live import LiveServer
from tests.support.page import lane

pytestmark = [
    pytest.mark.browser,
    pytest.mark.own_server,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.app)
async def test_technique_page_is_live_and_accessible(
    browser: Browser, memory_live_server: LiveServer, page: TechniquePage
) -> None:
    context = await browser.new_context(locale="ko", viewport={"width": 390, "height": 844})
    shown = await context.new_page()
    heard = complaints(shown)
    await shown.goto(f"{memory_live_server.url}/{page.app}/")
    for name in page.names:
        await expect(lane(shown, name)).to_have_attribute("data-state", "open", timeout=30_000)
    async with httpx.AsyncClient(base_url=memory_live_server.url) as client:
        await client.post("/publish/lobby/", json={"sender": "ada", "text": "안녕"})
    for name in page.names:
        received = lane(shown, name).locator('[data-count="received"]')
        await expect(received).not_to_have_text("0", timeout=30_000)
    assert await shown.evaluate("document.documentElement.scrollWidth") == 390
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        await shown.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        result = await Axe().run(shown)
        assert result.violations_count == 0, result.generate_report()
    assert heard == []
    await context.close()


async def test_language_link_keeps_the_current_settings(
    browser: Browser, memory_live_server: LiveServer
) -> None:
    context = await browser.new_context(locale="en")
    shown = await context.new_page()
    await shown.goto(f"{memory_live_server.url}/longpoll/")
    await shown.evaluate("history.replaceState(null, '', '?window=10')")
    await shown.get_by_role("link", name="한국어").click()
    await expect(shown.locator("html")).to_have_attribute("lang", "ko")
    assert shown.url == f"{memory_live_server.url}/longpoll/?window=10&lang=ko"
    await expect(shown.get_by_role("heading", level=1)).to_have_text("롱 폴링")
    await context.close()
