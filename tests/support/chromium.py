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
# Without the user interface, it takes a quarter less of the CPU. It has no hidden tabs.
SHELL = "chromium-headless-shell"
# A name of this machine that a browser does not treat as loopback: a page over plain http from it
# lacks what browsers restrict to secure contexts.
ELSEWHERE = "elsewhere.test"
# Only the page under test may use the network.
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
    """Yield a running Chromium. Without one the test is skipped; in CI (env `CI`) it fails."""
    executable = next(filter(None, map(shutil.which, (SHELL, *NAMES))), None)
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


def console_errors(page: Page) -> list[str]:
    """Return a list that collects the page's console errors and warnings, and uncaught errors."""
    messages: list[str] = []

    def record(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            messages.append(message.text)

    page.on("console", record)
    page.on("pageerror", lambda error: messages.append(str(error)))
    return messages
