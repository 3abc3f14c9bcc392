"""The page in the demo: leases of scenarios, and announcements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext, FilePayload, expect

from tests.support.chromium import console_errors
from tests.support.demo import Demo
from tests.support.live import LiveServer
from tests.support.page import lane
from tests.support.waiting import until_async

pytestmark = pytest.mark.own_server

DRAG = """(text) => {
    const dragged = new DataTransfer();
    dragged.items.add(new File([text], "recording.json"));
    return dragged;
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    # Below a path, as behind some proxies: no address of the page may assume the root.
    with Demo(tmp_path_factory.mktemp("demo"), env={"FORCE_SCRIPT_NAME": "/class"}) as demo:
        yield demo


async def test_closing_the_tab_restores_the_settings(demo: Demo, context: BrowserContext) -> None:
    async with demo.page() as control:

        async def has(rtt: float, running: bool) -> bool:
            state = await control.state()
            return bool(state["network"]["rtt"] == rtt and state["feed"]["running"] == running)

        other = await context.new_page()
        await other.goto(f"{demo.url}/?lanes=none")
        page = await context.new_page()
        await page.goto(f"{demo.url}/?scene=burst&lanes=none")
        await page.locator(".scenario-choices label").first.click()
        await page.get_by_role("button", name="Run", exact=True).click()
        await until_async(lambda: has(400, running=False))
        await expect(other.locator("#pages")).to_have_text("2 pages are open")
        await page.close()
        await expect(other.locator("#pages")).to_have_text("1 page is open")
        await until_async(lambda: has(0, running=True))
        await expect(other.get_by_role("status")).to_contain_text("settings restored")


async def test_an_announcement_reaches_other_rooms(demo: Demo, context: BrowserContext) -> None:
    async with demo.page() as control:
        await control.publish("kitchen")

        async def is_announced() -> bool:
            batch = (await control.http.get("/polling/kitchen/")).json()
            return "Lunch is ready" in [event["text"] for event in batch["events"]]

        page = await context.new_page()
        await page.goto(f"{demo.url}/?lanes=none")
        text = page.get_by_label("Text", exact=True)
        await text.fill("Lunch is ready")
        await page.get_by_role("button", name="Announce").click()
        await expect(text).to_have_value("")
        await until_async(is_announced)
        await page.get_by_role("button", name="Announce").click()
        await expect(page.get_by_role("alert")).to_contain_text("The text must have")


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_the_controls_fit_a_small_screen(
    demo: Demo, context: BrowserContext, language: str
) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": 1366, "height": 768})
    await page.goto(f"{demo.url}/?scene=gzip&lanes=none&lang={language}")
    await expect(page.locator(".scenario-choices label")).to_have_count(3)
    rectangle = "(element) => element.getBoundingClientRect()"
    for selector in (".scenario-choices label", ".scenario-run", ".lane[data-technique=sse]"):
        box = await page.locator(selector).last.evaluate(rectangle)
        assert box["bottom"] < 768, selector
    tops = [
        (await page.locator(f"[data-do={name}]").evaluate(rectangle))["top"]
        for name in ("feed", "cut", "gzip")
    ]
    assert max(tops) - min(tops) < 10, "in one row"


async def test_a_recording_is_played_without_the_server(
    demo: Demo, context: BrowserContext, tmp_path: Path
) -> None:
    page = await context.new_page()
    errors = console_errors(page)
    await page.goto(f"{demo.url}/?rate=10&lanes=sse,websocket&scene=bogus")
    await expect(page.locator("#notices")).to_contain_text("“scene=bogus”; expected: one of ask,")
    await page.get_by_role("button", name="Record").click()
    await expect(lane(page, "sse").locator(".measured")).to_have_text(re.compile(r"^[1-9]\d"))
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Stop and save").click()
    path = await (await download.value).path()
    recorded = json.loads(path.read_text())
    deliveries = {each["name"]: len(each["deliveries"]) for each in recorded["lanes"]}
    assert deliveries["sse"] > 5

    await page.goto(f"{demo.url}/replay/")
    await context.set_offline(True)
    try:
        wrong = FilePayload(name="wrong.json", mimeType="application/json", buffer=b"{}")
        await page.locator("#file").set_input_files(wrong)
        await expect(page.get_by_role("alert")).to_contain_text("wrong.json: This file is neither")
        dropped = await page.evaluate_handle(DRAG, path.read_text())
        await page.dispatch_event("body", "drop", {"dataTransfer": dropped})
        await expect(page.get_by_role("alert")).to_be_hidden()
        await page.get_by_role("slider", name="Position").press("End")
        for name, count in deliveries.items():
            received = lane(page, name).locator("[data-count=received]")
            await expect(received).to_have_text(str(count))
        await expect(lane(page, "sse").locator(".verdict")).to_have_text("Complete")
    finally:
        await context.set_offline(False)

    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save as one HTML file").click()
    file = tmp_path / "recording.html"
    await (await download.value).save_as(file)
    requests = list[str]()
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(file.as_uri())
    await page.get_by_role("slider", name="Position").press("End")
    received = lane(page, "sse").locator("[data-count=received]")
    await expect(received).to_have_text(str(deliveries["sse"]))
    assert [url for url in requests if url.startswith("http")] == []
    assert errors == []


async def test_every_address_of_the_pages_is_below_the_mount_point(demo: Demo) -> None:
    async with httpx.AsyncClient(base_url=demo.url) as http:
        for path in (
            "/",
            "/polling/",
            "/streaming/",
            "/websocket/",
            "/login/",
            "/replay/",
            "/?room=!",
        ):
            body = (await http.get(path)).text
            assert '"/class/' in body
            assert re.findall(r'[a-z]+="/(?!class/)[^"]*"|: "/(?!class/)[^"]*"', body) == [], path


async def test_a_path_outside_the_mount_point_is_404(demo: Demo) -> None:
    async with httpx.AsyncClient() as http:
        response = await http.get(f"{httpx.URL(demo.url).copy_with(path='/polling/lobby/')}")
    assert (response.status_code, response.json()["code"]) == (404, "path")


async def test_only_staff_may_announce(
    memory_live_server: LiveServer, context: BrowserContext
) -> None:
    page = await context.new_page()
    await page.goto(f"{memory_live_server.url}/?lanes=none")
    await expect(page.get_by_role("button", name="Publish", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Announce")).to_have_count(0)
