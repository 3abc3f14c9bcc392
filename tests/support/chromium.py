"""A real Chromium for the tests: the system's, else Playwright's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright
from playwright.async_api import Error as PlaywrightError

NAMES = ("chromium", "chromium-browser", "google-chrome")
# A host that a browser does not take for this machine: what it keeps from a page that came over
# plain http from another one, it keeps from a page of this one.
ELSEWHERE = "elsewhere.test"
# Nothing but the page under test is to reach for the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
]
HOW_TO_INSTALL = "'apt-get install chromium' or '.venv/bin/playwright install chromium'"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running Chromium. Where there is none the test is skipped; in CI (env `CI`) it fails."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        except PlaywrightError as error:
            if executable is None and not os.environ.get("CI"):
                pytest.skip(f"No Chromium here; {HOW_TO_INSTALL} installs one.")
            error.add_note(f"Chromium is needed here; {HOW_TO_INSTALL} installs one.")
            raise
        try:
            yield browser
        finally:
            await browser.close()


def complaints(page: Page) -> list[str]:
    """What the page's console says in anger from now on, uncaught errors included."""
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            heard.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard
