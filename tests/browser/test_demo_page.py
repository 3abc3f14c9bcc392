"""The page in the demo: leases of scenarios, and announcements."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.demo import Demo
from tests.support.demo import Page as ControlPage
from tests.support.live import LiveServer
from tests.support.waiting import BOUND

pytestmark = [
    pytest.mark.browser,
    pytest.mark.own_server,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # Below a path, as behind some proxies: no address of the page may assume the root.
    with Demo(tmp_path_factory.mktemp("demo"), env={"FORCE_SCRIPT_NAME": "/class"}) as demo:
        yield demo


async def network_and_feed(page: ControlPage, rtt: float, running: bool) -> None:
    """Wait until the demo has this round trip, and its feed is on or off."""
    async with asyncio.timeout(BOUND):
        while True:
            state: dict[str, Any] = await page.state()
            if (state["network"]["rtt"], state["feed"]["running"]) == (rtt, running):
                return
            await asyncio.sleep(0.05)


async def test_closing_the_tab_restores_the_settings(demo: Demo, context: BrowserContext) -> None:
    async with demo.page() as control:
        other = await context.new_page()
        await other.goto(f"{demo.url}/?lanes=none")
        page = await context.new_page()
        await page.goto(f"{demo.url}/?scene=burst&lanes=none")
        await page.locator(".scenario-choices label").first.click()
        await page.get_by_role("button", name="Run", exact=True).click()
        await network_and_feed(control, 400, running=False)
        await page.close()
        await network_and_feed(control, 0, running=True)
        await expect(other.get_by_role("status")).to_contain_text("settings restored")


async def test_closing_the_scenario_restores_the_settings(
    demo: Demo, context: BrowserContext
) -> None:
    async with demo.page() as control:
        page = await context.new_page()
        await page.goto(f"{demo.url}/?scene=burst&lanes=none")
        await page.locator(".scenario-choices label").first.click()
        await page.get_by_role("button", name="Run", exact=True).click()
        await network_and_feed(control, 400, running=False)
        await page.locator(".scenario-close").click()
        await network_and_feed(control, 0, running=True)


async def test_an_announcement_reaches_other_rooms(demo: Demo, context: BrowserContext) -> None:
    async with demo.page() as control:
        await control.publish("kitchen")
        page = await context.new_page()
        await page.goto(f"{demo.url}/?lanes=none")
        text = page.get_by_label("Text", exact=True)
        await text.fill("Lunch is ready")
        await page.get_by_role("button", name="Announce").click()
        await expect(text).to_have_value("")
        async with asyncio.timeout(BOUND):
            while True:
                batch = (await control.http.get("/polling/kitchen/")).json()
                if "Lunch is ready" in [event["text"] for event in batch["events"]]:
                    break
                await asyncio.sleep(0.05)
        await page.get_by_role("button", name="Announce").click()
        await expect(page.get_by_role("alert")).to_contain_text("The text must have")


async def test_a_path_outside_the_mount_point_is_404(demo: Demo) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.get(f"{httpx.URL(demo.url).copy_with(path='/polling/lobby/')}")
    assert (response.status_code, response.json()["code"]) == (404, "path")


async def test_only_staff_may_announce(
    memory_live_server: LiveServer, context: BrowserContext
) -> None:
    page = await context.new_page()
    await page.goto(f"{memory_live_server.url}/?lanes=none")
    await expect(page.get_by_role("button", name="Publish", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Announce")).to_have_count(0)
