"""`make screenshots`: every page and every scenario, in each language, size and scheme.

The pictures are written to build/screenshots, which git ignores. `--publish` copies those that the
documentation shows to docs/screenshots. Every scenario runs once in each language, so this takes
some minutes; `--only` selects pictures by a part of their names.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page
from rich.console import Console

from realtime_demo.progress import progress
from tests.support.chromium import chromium, console_errors
from tests.support.demo import Demo
from tests.support.program import ROOT

TAKEN = ROOT / "build" / "screenshots"
PUBLISHED = ROOT / "docs" / "screenshots"
LANGUAGES = ("en", "ko")
SIZES = {"projector": (1440, 900), "laptop": (1366, 768), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DOCUMENTED = {  # in the documentation: its name there, and the picture taken
    "page.png": "en/page-projector-light.png",
    "page-ko.png": "ko/page-projector-light.png",
    "inspect.png": "en/frozen-projector-dark.png",
}
PLACES = {
    "polling": "/polling/",
    "longpoll": "/longpoll/",
    "streaming": "/streaming/",
    "websocket": "/websocket/",
    "login": "/login/",
    "closed-room": "/?room=staff-room",
    "no-room": "/?room=No%20room!",
    "no-page": "/no/such/page/",
    "wrong-address": "/?scene=bogus&rtt=fast&lang=xx",
}
# In a picture of the whole page nothing sticks to the bottom, and all events are rendered.
# (The page's policy forbids a <style>, but not this.)
WHOLE = """(isWhole) => {
    const sheet = new CSSStyleSheet();
    if (isWhole) sheet.replaceSync(`
        .composer { position: static !important }
        .event { content-visibility: visible !important }
    `);
    document.adoptedStyleSheets = [sheet];
}"""
LIVELY = 14_000  # milliseconds, until the lanes have something to show


class Camera:
    def __init__(self, browser: Browser, url: str, language: str, only: str) -> None:
        self.browser = browser
        self.url = url
        self.language = language
        self.only = only

    async def page(self) -> Page:
        width, height = SIZES["projector"]
        context = await self.browser.new_context(
            viewport={"width": width, "height": height}, locale=self.language
        )
        page = await context.new_page()
        self.console_errors = console_errors(page)
        return page

    async def shoot(self, page: Page, name: str, *, whole: bool) -> None:
        """Take the page in each size and scheme."""
        folder = TAKEN / self.language
        folder.mkdir(parents=True, exist_ok=True)
        for size, (width, height) in SIZES.items():
            is_whole = whole or size == "phone"
            await page.set_viewport_size({"width": width, "height": height})
            await page.evaluate(WHOLE, is_whole)
            for scheme in SCHEMES:
                await page.emulate_media(color_scheme=scheme)
                await page.wait_for_timeout(400)  # a few frames, for the canvas
                path = folder / f"{name}-{size}-{scheme}.png"
                await page.screenshot(path=path, full_page=is_whole)
        # A scenario that cuts connections causes network errors.
        for message in (
            each for each in self.console_errors if "net::" not in each and "Failed" not in each
        ):
            print(f"{self.language} {name}: console error {message!r}")

    async def places(self) -> None:
        for name, place in PLACES.items():
            if self.only in name:
                page = await self.page()
                await page.goto(self.url + place)
                if await page.locator("canvas").count():
                    await page.wait_for_timeout(LIVELY)
                await self.shoot(page, name, whole=True)
                await page.context.close()

    async def front(self) -> None:
        page = await self.page()
        await page.goto(f"{self.url}/?rtt=100&rate=2")
        await page.wait_for_timeout(2 * LIVELY)
        await self.shoot(page, "page", whole=False)
        await page.set_viewport_size({"width": 1440, "height": 900})
        await page.keyboard.press("Space")
        for _ in range(7):  # an event old enough for polling to have received it
            await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowDown")
        await page.wait_for_timeout(1_500)
        await self.shoot(page, "frozen", whole=False)
        await page.keyboard.press("?")
        await self.shoot(page, "help", whole=False)
        other = await page.context.new_page()
        await other.goto(self.url)
        await other.wait_for_timeout(1_500)
        await self.shoot(other, "second-tab", whole=False)
        await page.context.close()

    async def replay(self) -> None:
        page = await self.page()
        await page.goto(f"{self.url}/?rtt=100&rate=2")
        await page.locator("#record").click()
        await page.wait_for_timeout(LIVELY)
        async with page.expect_download() as download:
            await page.locator("#record").click()
        await page.goto(f"{self.url}/replay/")
        await page.locator("#file").set_input_files(await (await download.value).path())
        await page.get_by_role("slider").press("End")
        await page.wait_for_timeout(1_000)
        await self.shoot(page, "replay", whole=True)
        await page.context.close()

    async def scenarios(self) -> None:
        from realtime_demo.web.scenarios import SCENARIOS

        for scenario in SCENARIOS:
            name = f"scenario-{scenario.slug}"
            if self.only not in name:
                continue
            page = await self.page()
            await page.goto(f"{self.url}/?scene={scenario.slug}")
            right_choice = [choice.right for choice in scenario.choices].index(True)
            await page.locator("#scenario input[type=radio]").nth(right_choice).check()
            await page.wait_for_timeout(2_000)
            await page.locator(".scenario-run").click()
            # Without a verdict too: the tab of the "hidden" scenario stays visible.
            answer = page.locator(".scenario-answer:not(:empty)")
            await answer.wait_for(timeout=(scenario.duration + 15) * 1000)
            await page.wait_for_timeout(1_000)
            print(f"{self.language} {scenario.slug}: {await answer.text_content()}")
            await self.shoot(page, name, whole=False)
            await page.context.close()


async def take(only: str, languages: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder, Demo(Path(folder), env={"DEBUG": ""}) as demo:
        async with chromium() as browser:
            for language in languages:
                camera = Camera(browser, demo.url, language, only)
                if only in "page":
                    await camera.front()
                await camera.places()
                if only in "replay":
                    await camera.replay()
                await camera.scenarios()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--only", default="", help="a part of the names of the pictures to take")
    parser.add_argument("--language", choices=LANGUAGES, help="in this one alone")
    parser.add_argument("--publish", action="store_true", help="renew docs/screenshots with them")
    options = parser.parse_args()
    languages = (options.language,) if options.language else LANGUAGES
    with progress(Console()) as show_step:
        show_step("Taking the pictures …")
        asyncio.run(take(options.only, languages))
    print(f"The pictures are in {TAKEN}")
    if options.publish:
        PUBLISHED.mkdir(parents=True, exist_ok=True)
        for name, picture in DOCUMENTED.items():
            if (TAKEN / picture).exists():
                shutil.copy(TAKEN / picture, PUBLISHED / name)


if __name__ == "__main__":
    main()
