"""A Chromium for each worker, and a context that is cleared after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from tests.support.chromium import chromium
from tests.support.page import VIEW, cleared

expect.set_options(timeout=10_000)


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
