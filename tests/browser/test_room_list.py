"""The list of rooms on the page, and events that are not chat lines."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.support.chromium import console_errors
from tests.support.page import Site, expect_received

pytestmark = pytest.mark.own_server


async def test_several_rooms_share_one_socket(site: Site) -> None:
    others = [f"{site.room}-b", f"{site.room}-c"]
    url = site.url
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as http,
        http.stream("GET", f"/streaming/{others[0]}/?name=grace"),
        http.stream("GET", f"/streaming/{others[1]}/"),
    ):
        page = await site.open()
        errors = console_errors(page)
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await page.locator("#room-list > summary").click()
        items = [page.locator(f'#room-list li[data-room="{name}"]') for name in others]
        await expect(items[0].locator(".people")).to_contain_text("grace")
        await expect(
            page.locator(f'#room-list li[data-room="{site.room}"]').get_by_role("button")
        ).to_be_hidden()
        for name, item in zip(others, items, strict=True):
            await item.get_by_role("button", name="Join").click()
            await http.post(f"/publish/{name}/", json={"sender": "tim", "text": f"in {name}"})
            await expect(item.locator("ol")).to_contain_text(f"tim in {name}")
        assert len(sockets) == 1

        await page.locator("#sender").fill("ada")
        await items[1].locator("input").fill("from the list")
        await items[1].get_by_role("button", name="Publish").click()
        await expect(items[1].locator("ol")).to_contain_text("ada from the list")
        await expect(items[0].locator("ol")).not_to_contain_text("from the list")

        await items[0].get_by_role("button", name="Leave").click()
        await expect(items[0].locator("ol")).to_be_hidden()
        assert errors == []


async def test_a_programs_event_reaches_every_lane_but_not_the_chat(site: Site) -> None:
    page = await site.open()
    async with httpx.AsyncClient(base_url=site.url) as http:
        documents: list[dict[str, Any]] = [
            {"name": "paid", "data": {"order": 7}},
            {"text": "a chat line"},
        ]
        path = f"/publish/{site.room}/"
        responses = [await http.post(path, json={"sender": "shop", **each}) for each in documents]
    ids = [response.json()["id"] for response in responses]
    await expect_received(page, *ids)
    messages = page.locator("#conversation .event[data-type=message]")
    await expect(messages.locator(".text")).to_have_text(["a chat line"])
