"""Fixtures of the browser tests: a shared Chromium and event loop, and a cleared context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from tests.support.chromium import chromium
from tests.support.live import LiveServer
from tests.support.page import VIEW, Site, cleared

expect.set_options(timeout=10_000)


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            if pytest_asyncio.is_async_test(item):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_context(browser: Browser) -> BrowserContext:
    return await browser.new_context(**VIEW)


@pytest_asyncio.fixture(loop_scope="session")
async def context(shared_context: BrowserContext) -> AsyncIterator[BrowserContext]:
    async with cleared(shared_context) as context:
        yield context


@pytest.fixture
def site(context: BrowserContext, memory_live_server: LiveServer, room: str) -> Site:
    return Site(context, memory_live_server.url, room)
