"""The side-by-side page, as a test works it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from playwright.async_api import BrowserContext, Locator, Page, expect

from transports.registry import TECHNIQUES

# Motion costs a frame sixty times a second, drawn by the processor; without, one a second.
VIEW: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}
LANES = [technique.name for technique in TECHNIQUES if technique.on_page]
RECOVERY = 30_000  # milliseconds in which a lane must have come back


@asynccontextmanager
async def left_clean(context: BrowserContext) -> AsyncIterator[BrowserContext]:
    """The context, which keeps its cache: nothing else is left when the block ends."""
    yield context
    for page in context.pages:
        await page.unroute_all(behavior="ignoreErrors")
        if page.url.startswith("http"):
            await page.evaluate("localStorage.clear()")
        await page.close()
    await context.clear_cookies()


async def open_page(context: BrowserContext, url: str, room: str, query: str = "") -> Page:
    """The page, once every lane is open, with its table unfolded."""
    page = await context.new_page()
    await page.goto(f"{url}/?room={room}{query}")
    await all_lanes(page, "open")
    await unfold(page)
    return page


async def unfold(page: Page) -> None:
    await page.get_by_text("The last events, as a table").click()


async def all_lanes(page: Page, state: str) -> None:
    for name in LANES:
        await expect(lane(page, name)).to_have_attribute("data-state", state, timeout=RECOVERY)


def lane(page: Page, name: str) -> Locator:
    return page.locator(f'.lane[data-technique="{name}"]')


async def received(page: Page, name: str, *ids: str, verdict: str = "Complete") -> None:
    """Waits until the lane has brought these events, and nothing else; the table shows them all,
    newest first."""
    rows = page.locator('#events tr:not([data-type="reset"])')
    await expect(rows).to_have_count(len(ids), timeout=RECOVERY)
    assert await rows.evaluate_all("rows => rows.map((row) => row.dataset.id)") == [*ids][::-1]
    here = rows.locator(f'[data-technique="{name}"][data-here="true"]')
    await expect(here).to_have_count(len(ids), timeout=RECOVERY)
    await expect(lane(page, name).locator(".verdict")).to_have_text(verdict)
    await counts(page, name, sent=len(ids), received=len(ids))


async def counts(page: Page, name: str, **expected: int) -> None:
    """Waits until the lane's card has these counts, by `data-count`."""
    expected = {"lost": 0, "duplicated": 0, "outOfOrder": 0, **expected}
    for count, value in expected.items():
        cell = lane(page, name).locator(f'[data-count="{count}"]')
        await expect(cell).to_have_text(str(value))


def publish(url: str, room: str, *texts: str, sender: str = "ada") -> list[str]:
    """Publishes from outside the browser; the events' ids."""
    with httpx.Client(base_url=url) as client:
        answers = [
            client.post(f"/publish/{room}/", json={"sender": sender, "text": text})
            for text in texts
        ]
    return [answer.raise_for_status().json()["id"] for answer in answers]


async def write(page: Page, text: str, sender: str | None = "ada") -> None:
    if sender is not None:
        await page.get_by_label("Name", exact=True).fill(sender)
    await page.get_by_label("Text", exact=True).fill(text)
    await page.get_by_role("button", name="Publish").click()


async def look_at_the_last(page: Page) -> None:
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("ArrowLeft")
