"""Leases: a page's changes for a scenario are restored after the page has closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from realtime_demo.demo.lease import SECONDS
from tests.support.demo import Demo, Page
from tests.support.waiting import BOUND, repeated_after_a_stall

pytestmark = [pytest.mark.own_server]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def settings_of(state: dict[str, Any]) -> dict[str, Any]:
    return {name: state[name] for name in ("network", "feed", "faults")}


async def change_everything(page: Page) -> None:
    await page.post("network", rtt=400)
    await page.post("feed", running=False)
    await page.post("fault", buffering=True)


async def wait_for(page: Page, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the state once it has these settings."""
    async with asyncio.timeout(BOUND):
        while True:
            state = await page.state()
            if settings_of(state) == settings:
                return state
            await asyncio.sleep(0.05)


async def test_a_lease_that_lapses_restores_the_settings(demo: Demo) -> None:
    async with demo.page() as page:
        before = await page.state()
        await page.post("lease", holder="a", held=True)
        await change_everything(page)
        assert settings_of(await page.state()) != settings_of(before)
        after = await wait_for(page, settings_of(before))
        assert after["lapses"] == before["lapses"] + 1


@repeated_after_a_stall(SECONDS / 4)  # after which the lease may lapse
async def test_a_renewed_lease_keeps_the_changes(demo: Demo) -> None:
    async with demo.page() as page:
        before = settings_of(await page.state())
        await page.post("lease", holder="a", held=True)
        await change_everything(page)
        changed = settings_of(await page.state())
        loop = asyncio.get_running_loop()
        end = loop.time() + 1.5 * SECONDS
        while loop.time() < end:
            await page.post("lease", holder="a", held=True)
            assert settings_of(await page.state()) == changed
            await asyncio.sleep(SECONDS / 4)
        await page.post("lease", holder="a", held=False)
        assert settings_of(await page.state()) == before, "ended: restored at once"


async def test_the_last_of_two_leases_restores_the_settings(demo: Demo) -> None:
    async with demo.page() as page:
        before = settings_of(await page.state())
        await page.post("lease", holder="a", held=True)
        await page.post("network", rtt=300)
        await page.post("lease", holder="b", held=True)
        await page.post("lease", holder="a", held=False)
        assert (await page.state())["network"]["rtt"] == 300
        await page.post("lease", holder="b", held=False)
        assert settings_of(await page.state()) == before


async def test_a_lease_outlives_a_restart(demo: Demo) -> None:
    async with demo.page() as page:
        await page.post("lease", holder="a", held=True)
        await page.post("network", rtt=200)
        since = (await page.state())["running_since"]
        await page.post("restart")
        async with asyncio.timeout(BOUND):
            while True:
                with suppress(httpx.TransportError, ValueError):  # while it restarts
                    state = await page.state()
                    if state.get("running_since", since) > since:
                        break
                await asyncio.sleep(0.05)
        assert state["network"]["rtt"] == 200
        await page.post("lease", holder="a", held=False)
        assert (await page.state())["network"]["rtt"] == 0
