"""Helpers of the browser tests of the side-by-side page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Locator, Page, expect

from transports.registry import TECHNIQUES

# With motion the CPU draws sixty frames a second; without, one.
VIEW: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
LANES = [technique.name for technique in TECHNIQUES if technique.on_page]
RECOVERY = 30_000  # milliseconds within which a lane must have reconnected


@asynccontextmanager
async def cleared(context: BrowserContext) -> AsyncIterator[BrowserContext]:
    """Yield the context; then close its pages and clear its storage, but keep its cache."""
    yield context
    for page in context.pages:
        await page.unroute_all(behavior="ignoreErrors")
        if page.url.startswith("http"):
            await page.evaluate("localStorage.clear()")
        await page.close()
    await context.clear_cookies()


class Site:
    """A server, with a room of the test's own, in a browser."""

    def __init__(self, context: BrowserContext, url: str, room: str) -> None:
        self.context, self.url, self.room = context, url, room

    def address(self, query: str = "") -> str:
        return f"{self.url}/?room={self.room}{query}"

    async def tab(self, query: str = "") -> Page:
        """Open the page."""
        page = await self.context.new_page()
        await page.goto(self.address(query))
        return page

    async def open(self, query: str = "") -> Page:
        """Open the page, wait until every lane is open, and unfold the table."""
        page = await self.tab(query)
        await all_lanes(page, "open")
        await unfold(page)
        return page

    def publish(self, *texts: str) -> list[str]:
        """Publish as ada, from outside the browser; return the events' ids."""
        with httpx.Client(base_url=self.url) as client:
            responses = [
                client.post(f"/publish/{self.room}/", json={"sender": "ada", "text": text})
                for text in texts
            ]
        return [response.raise_for_status().json()["id"] for response in responses]


async def unfold(page: Page) -> None:
    await page.get_by_text("The last events, as a table").click()


async def all_lanes(page: Page, state: str) -> None:
    for name in LANES:
        await expect(lane(page, name)).to_have_attribute("data-state", state, timeout=RECOVERY)


def lane(page: Page, name: str) -> Locator:
    return page.locator(f'.lane[data-technique="{name}"]')


async def expect_received(page: Page, *ids: str, verdict: str = "Complete") -> None:
    """Wait until each lane has received exactly these events.

    The table must show them, the newest first.
    """
    rows = page.locator('#events tr:not([data-type="reset"])')
    await expect(rows).to_have_count(len(ids), timeout=RECOVERY)
    assert await rows.evaluate_all("rows => rows.map((row) => row.dataset.id)") == [*ids][::-1]
    for name in LANES:
        receipts = rows.locator(f'[data-technique="{name}"][data-here="true"]')
        await expect(receipts).to_have_count(len(ids), timeout=RECOVERY)
        await expect(lane(page, name).locator(".verdict")).to_have_text(verdict)
        await expect_counts(page, name, sent=len(ids), received=len(ids))


async def expect_counts(page: Page, name: str, **expected: int) -> None:
    """Wait until the lane's card has these counts, by `data-count`."""
    expected = {"lost": 0, "duplicated": 0, "outOfOrder": 0, **expected}
    for count, value in expected.items():
        cell = lane(page, name).locator(f'[data-count="{count}"]')
        await expect(cell).to_have_text(str(value))


async def write(page: Page, text: str, sender: str | None = "ada") -> None:
    if sender is not None:
        await page.get_by_label("Name", exact=True).fill(sender)
    await page.get_by_label("Text", exact=True).fill(text)
    await page.get_by_role("button", name="Publish").click()


async def select_latest_event(page: Page) -> None:
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("ArrowLeft")


async def violations(page: Page) -> list[dict[str, Any]]:
    """Return the violations that axe reports: in the light colours, and of contrast in the dark."""
    violations = []
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    schemes: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (
        ("light", {}),
        ("dark", contrast),
    )
    for scheme, rules in schemes:
        await page.emulate_media(color_scheme=scheme)
        options = {"resultTypes": ["violations"], **rules}
        violations += (await Axe().run(page, options=options)).response["violations"]
    return violations
