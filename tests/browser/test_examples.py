"""The pages of examples/, in Chromium."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext, expect

from examples.pages.urls import PAGES
from tests.support.chromium import console_errors
from tests.support.program import ROOT, Program, missing
from tests.support.waiting import BOUND

pytestmark = pytest.mark.own_server

LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
UVICORN = [sys.executable, "-m", "uvicorn", "--port", "0", "--timeout-graceful-shutdown", "1"]
LONGEST = 60  # lines of a page


@pytest.fixture(scope="module")
def pages_url() -> Iterator[str]:
    if not Path(ROOT, "node_modules", "htmx.org").exists():
        missing("htmx is missing; to install it: npm ci")
    environment = {"DJANGO_SETTINGS_MODULE": "examples.pages.settings"}
    command = [*UVICORN, "examples.pages.asgi:application"]
    with Program(command, LISTENING, environment, signal_number=signal.SIGINT) as server:
        yield server.wait_for(LISTENING)[1]


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_shows_a_room(name: str, pages_url: str, context: BrowserContext) -> None:
    """It shows earlier events, those of other programs as they are published, and its own."""
    source = (ROOT / "examples/pages/templates/pages" / f"{name}.html").read_text()
    assert len(source.splitlines()) <= LONGEST
    async with httpx.AsyncClient(base_url=pages_url, timeout=BOUND) as http:

        async def publish(text: str) -> None:
            response = await http.post("/publish/lobby/", json={"sender": "grace", "text": text})
            assert response.status_code == 201

        await publish(f"earlier {name}")
        tab = await context.new_page()
        errors = console_errors(tab)
        await tab.goto(f"{pages_url}/{name}/")
        last = tab.locator("li").last
        await expect(last).to_have_text(f"grace earlier {name}")
        await publish("<b>live</b>")
        await expect(last).to_have_text("grace <b>live</b>")
        await tab.get_by_label("Message").fill(f"from the page {name}")
        await tab.get_by_role("button", name="Send").click()
        await expect(last).to_have_text(f"ada from the page {name}")
        await expect(tab.get_by_label("Message")).to_have_value("")
        assert await tab.get_by_text(f"from the page {name}").count() == 1
    assert errors == []
