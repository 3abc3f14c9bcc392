"""The side-by-side page in the demo, in a real Chromium: controls, inspector and scenarios."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Request, expect

from tests.support.chromium import console_errors
from tests.support.demo import Demo
from tests.support.live import LiveServer
from tests.support.page import (
    LANES,
    RECOVERY,
    Site,
    all_lanes,
    expect_counts,
    expect_received,
    lane,
    select_latest_event,
    violations,
    write,
)
from tests.support.tabs import tabs
from tests.support.waiting import until_async
from tests.tools.frames import DRAW

pytestmark = pytest.mark.own_server

OPEN = ["streaming", "sse", "websocket"]
# Waits `wait` ms, and longer for the lanes to be drawn `least` times (60 s at most). Returns how
# often they were drawn, their columns, the elapsed time (ms) and the number of frames.
DRAWN = """async ([wait, least]) => {
  const canvas = document.getElementById("lanes");
  const context = canvas.getContext("2d");
  let [drawn, frames] = [0, 0];
  context.drawImage = function (...given) {
    drawn += 1;
    return CanvasRenderingContext2D.prototype.drawImage.apply(this, given);
  };
  const began = performance.now();
  const elapsed = () => performance.now() - began;
  for (; elapsed() < wait || (drawn < least && elapsed() < 60_000); frames += 1)
    await new Promise(requestAnimationFrame);
  delete context.drawImage;
  return [drawn, canvas.clientWidth - 14, elapsed(), frames];
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), "--no-conversation") as running:
        yield running


class DemoSite(Site):
    def state(self) -> Any:
        return httpx.get(f"{self.url}/stage/").json()

    async def until(self, part: str = "", **expected: object) -> None:
        """Wait until the demo's state, or this part of it, has these values."""

        async def agrees() -> bool:
            now = self.state()[part] if part else self.state()
            return all(now[name] == value for name, value in expected.items())

        await until_async(agrees)


@pytest.fixture
def site(context: BrowserContext, demo: Demo, room: str) -> DemoSite:
    return DemoSite(context, demo.url, room)


@pytest.fixture
def outside(context: BrowserContext, memory_live_server: LiveServer, room: str) -> Site:
    """Return a site that is no demo."""
    return Site(context, memory_live_server.url, room)


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def press(page: Page, name: str) -> None:
    await page.locator("#controls").get_by_role("button", name=name, exact=True).click()


async def slide(page: Page, name: str, key: str, times: int = 1) -> None:
    slider = page.locator("#controls").get_by_role("slider", name=name)
    for _ in range(times):
        await slider.press(key)


async def has_count(page: Page, name: str, count: str, value: str) -> None:
    cell = lane(page, name).locator(f'[data-count="{count}"]')
    await expect(cell).to_have_text(value, timeout=RECOVERY)


async def announced(page: Page, words: str) -> None:
    """Wait until a marker with these words is on the lanes and announced to screen readers."""
    await expect(page.locator("#summary")).to_have_text(words)


# --- Controls ----------------------------------------------------------------------------------


async def test_settings_reach_demo_prediction_and_address(site: DemoSite) -> None:
    # The demo has the settings of the previous test; the address has others.
    page = await site.open("&rate=1&rtt=0&jitter=0")
    await site.until(network={"rtt": 0, "jitter": 0, "bandwidth": None})
    curve = lane(page, "polling").locator(".prediction")
    await expect(curve).to_have_attribute("d", re.compile("^M"))
    before = await curve.get_attribute("d")

    await slide(page, "Poll every", "ArrowLeft")
    await announced(page, "Poll every 500\u00a0ms")
    await expect(curve).not_to_have_attribute("d", before or "")
    sent_settings: list[dict[str, object]] = []
    page.on("request", lambda request: sent_settings.extend(_network_settings(request)))
    await slide(page, "Feed", "ArrowRight")
    await announced(page, "Feed 2\u00a0/\u00a0s")
    await slide(page, "Round trip", "ArrowRight", 5)
    await announced(page, "Round trip 200\u00a0ms")
    await slide(page, "Jitter", "ArrowRight")
    await slide(page, "Bandwidth", "ArrowLeft")
    await announced(page, "Bandwidth 1.0\u00a0MB/s")
    network = {"rtt": 200, "jitter": 5, "bandwidth": 1000}
    await site.until(network=network)
    assert site.state()["feed"]["rate"] == 2
    await expect(page).to_have_url(re.compile("bandwidth=1000"))
    settings = {"interval": "500", "rate": "2", "rtt": "200", "jitter": "5", "bandwidth": "1000"}
    assert query(page) == {"room": site.room, **settings}

    site.publish("far away")
    for name in OPEN:
        delay = page.locator(f'#events tr[data-type=message] [data-technique="{name}"]')
        # At least a tenth of a second; a busy machine adds to it.
        await expect(delay).to_have_text(re.compile(r"^([1-9]\d\d\sms|[\d.]+\ss)$"))

    # Another page receives the settings, and omits defaults from its address.
    await page.get_by_role("radio", name="60").check(force=True)
    await expect(page).to_have_url(re.compile("window=60"))
    other = await site.context.new_page()
    async with other.expect_response("**/stage/feed/"):
        await other.goto(page.url.replace("rtt=200", "rtt=0").replace(site.room, f"{site.room}-b"))
    for name in ("Jitter", "Bandwidth"):
        slider = other.locator("#controls").get_by_role("slider", name=name)
        await expect(slider).not_to_have_attribute("aria-valuetext", "unlimited")
    await expect(other.get_by_role("radio", name="60")).to_be_checked()
    await site.until(network={**network, "rtt": 0})
    assert site.state()["feed"]["room"] == site.room, "opening another room does not move the feed"
    await slide(page, "Jitter", "Home")
    await slide(page, "Bandwidth", "End")
    await site.until(network={"rtt": 0, "jitter": 0, "bandwidth": None})
    await expect(page).not_to_have_url(re.compile("bandwidth|jitter|rtt"))
    assert all(len(names) == 1 for names in sent_settings), (
        "a page sends only the settings it changed"
    )
    assert set().union(*sent_settings) == {"rtt", "jitter", "bandwidth"}


def _network_settings(request: Request) -> list[dict[str, object]]:
    return [request.post_data_json or {}] if request.url.endswith("/stage/network/") else []


async def test_the_feed_and_its_bursts_are_in_every_lane(site: DemoSite) -> None:
    page = await site.open("&rate=20")
    await press(page, "Burst")
    await announced(page, "Burst of 20")
    for name in LANES:
        await expect_counts(page, name, sent=20, received=20)
    await press(page, "Start")
    await expect(page.locator("#controls .play")).to_have_text("Stop")
    thirty_or_more = re.compile(r"^([3-9]\d|\d{3,})$")
    await expect(lane(page, "sse").locator(".measured")).to_have_text(thirty_or_more)
    await expect(page.locator(".feed-room")).to_be_hidden()
    other = await site.context.new_page()
    await other.goto(f"{site.url}/?room={site.room}-b&lanes=none")
    await expect(other.locator("#controls .play")).to_have_text("Stop")
    await expect(other.locator(".feed-room")).to_have_text(f"in {site.room}")
    await other.close()
    await press(page, "Stop")
    await expect(page.locator("#controls .play")).to_have_text("Start")
    for name in LANES:
        await expect(lane(page, name).locator(".verdict")).to_have_text("Complete")
        for count in ("up", "down"):  # counted by the tap
            bytes_of = lane(page, name).locator(f'[data-count="{count}"]')
            await expect(bytes_of).to_have_text(re.compile(r"^[\d.]+\s(B|kB)$"))
    await has_count(page, "websocket", "open", "1")  # which does not share its connection


async def test_space_freezes_without_pressing_the_clicked_button(site: DemoSite) -> None:
    page = await site.open()
    await press(page, "Burst")
    for pressed in ("true", "false"):
        await page.keyboard.press("Space")
        await expect(page.locator("#freeze")).to_have_attribute("aria-pressed", pressed)
    await expect_counts(page, "sse", sent=20, received=20)
    site.publish("after the burst")
    await expect_counts(page, "sse", sent=21, received=21)


async def test_lanes_are_complete_after_cut_stall_and_restart(site: DemoSite) -> None:
    page = await site.open()
    ids = site.publish("before")
    await expect_received(page, *ids)

    await press(page, "Cut all")
    for name in OPEN:
        await has_count(page, name, "reconnects", "1")
    ids += site.publish("after the cut")
    await expect_received(page, *ids)

    await press(page, "Stall")
    await expect(page.get_by_role("button", name="Stall")).to_have_attribute("aria-pressed", "true")
    ids += site.publish("while stalled")
    await page.get_by_role("button", name="Stall").click()
    await expect_received(page, *ids)

    await press(page, "Restart")
    for name in OPEN:  # one for the cut, one for the restart
        reconnects = lane(page, name).locator('[data-count="reconnects"]')
        await expect(reconnects).to_have_text(re.compile(r"^[2-9]$"), timeout=RECOVERY)
    await all_lanes(page, "open")
    after = site.publish("after the restart")
    await expect_received(page, *ids, *after, verdict="Complete since the reset")

    for fault in ("Buffer", "gzip"):
        for on in ("true", "false"):
            button = page.get_by_role("button", name=fault, exact=True)
            await button.click()
            await expect(button).to_have_attribute("aria-pressed", on)
            faults = site.state()["faults"]
            assert (faults["buffering"] or faults["gzip"]) == (on == "true")


# --- Freeze and inspect ------------------------------------------------------------------------


async def test_selected_event_shows_its_bytes_explained(site: DemoSite) -> None:
    page = await site.open()
    await page.emulate_media(reduced_motion="no-preference")  # the animation is frozen
    site.publish("look at me")
    for name in LANES:
        await expect_counts(page, name, sent=1, received=1)
    await page.get_by_role("button", name="Freeze").click()
    site.publish("too late for the picture")
    box = await page.locator("#lanes").bounding_box()
    assert box is not None
    for left in range(int(box["width"]) - 20, 0, -24):  # within the lane of published events
        await page.locator("#lanes").click(position={"x": left, "y": 30})
        if await page.locator("#inspector").is_visible():
            break
    await expect(page.locator(".picked")).to_have_text("ada: look at me")
    rows = page.locator(".inspector tbody tr")
    await expect(rows).to_have_count(len(LANES))
    for row in await rows.all():
        await expect(row.locator("td").first).to_have_text(re.compile(r"^[\d.]+\sm?s$"))
    await expect(rows.nth(0)).to_contain_text("next request")
    await expect(rows.nth(2)).to_contain_text("The connection was open")

    wire = page.locator(".wire")
    for name, words, link in [
        ("Polling", "HTTP/1.1 200", "RFC 8259"),
        ("Long polling", "GET /longpoll/", "RFC 8259"),
        ("Streaming", "application/x-ndjson", "RFC 9112"),
        ("Server-Sent Events", "data: ", "HTML Standard"),
        ("WebSocket", "Sec-WebSocket-Accept", "RFC 6455"),
    ]:
        await rows.get_by_role("button", name=name, exact=True).click()
        await expect(wire.locator("h3")).to_have_text(f"On the wire: {name}")
        await expect(wire).to_contain_text(words)
        await expect(wire.get_by_role("link").filter(has_text=link).first).to_be_visible()
        await expect(wire.locator("[data-event]").first).to_contain_text("look at me")
    await page.locator("#lanes").press("Escape")
    await expect(page.locator("#inspector")).to_be_hidden()
    await expect(page.locator("#legend")).to_be_visible()

    # A delay is filled in when the event arrives.
    await lane(page, "polling").get_by_role("button", name="Stop").click()
    site.publish("wait for me")
    await expect_counts(page, "sse", received=3, sent=3)
    await page.get_by_role("button", name="Freeze").click()
    await select_latest_event(page)
    await rows.get_by_role("button", name="Polling", exact=True).click()
    await expect(wire).to_have_text("Not arrived yet.")
    await lane(page, "polling").get_by_role("button", name="Start").click()
    await expect(wire.locator("[data-event]").first).to_contain_text("wait for me")
    await expect(rows.nth(0).locator("td").first).to_have_text(re.compile(r"^[\d.]+\sm?s$"))


async def test_delays_in_a_hidden_tab_are_not_counted(site: DemoSite) -> None:
    measured = "(name) => document.querySelector(`[data-technique=${name}] .measured`).textContent"
    received = """(name) => document.querySelector(
      `[data-technique=${name}] [data-count=received]`).textContent"""
    async with tabs() as browser:
        page = await browser.open(f"{site.url}/?room={site.room}")

        async def all_lanes_have(figure: str, value: str) -> None:
            await page.until(f"{json.dumps(LANES)}.every((name) => ({figure})(name) === '{value}')")

        await page.until("document.querySelectorAll('[data-state=open]').length === 5")
        assert len(LANES) == 5
        other = await browser.open("about:blank")
        await page.until("document.hidden")
        site.publish("unseen")
        await all_lanes_have(received, "1")
        await all_lanes_have(measured, "0")
        await page.to_front()
        await page.until("!document.hidden")
        site.publish("seen")
        await all_lanes_have(received, "2")
        await all_lanes_have(measured, "1")
        assert await other.evaluate("document.hidden")


# --- Chat --------------------------------------------------------------------------------------


async def test_two_browsers_share_a_chat(browser: Browser, site: DemoSite) -> None:
    ada = await site.open()
    other_context = await browser.new_context()
    ben = await other_context.new_page()
    await ben.goto(site.address("&lanes=sse,websocket"))
    await expect(lane(ben, "sse")).to_have_attribute("data-state", "open")
    await expect(lane(ben, "polling")).to_have_attribute("data-state", "stopped")
    await write(ada, "Hello", sender="ada")
    await write(ben, "Hello yourself", sender="ben")
    for page, own in ((ada, "Hello"), (ben, "Hello yourself")):
        messages = page.locator("#conversation .event[data-type=message] .text")
        await expect(messages).to_have_text(["Hello", "Hello yourself"])
        await expect(page.locator("#conversation [data-own] .text")).to_have_text(own)
        joined = page.locator("#conversation [data-type=join] .sender")
        await expect(joined).to_have_text(["ada", "ben"])
        await expect(page.locator("#people")).to_have_text("Here: ada, ben")
    assert query(ben)["lanes"] == "sse,websocket"
    await other_context.close()  # tests/server/test_presence.py covers the leave, ten seconds later


# --- Scenarios ---------------------------------------------------------------------------------


async def test_scenario_answers_with_measured_figures(site: DemoSite) -> None:
    page = await site.context.new_page()
    await shorten(page, seconds=15)
    # The demo has the settings of the previous test, which the end of the scenario restores.
    await page.goto(site.address("&scene=race&rate=1&rtt=0"))
    await all_lanes(page, "open")
    await site.until("feed", rate=1)
    is_running = site.state()["feed"]["running"]
    run = page.locator(".scenario-run")
    await expect(run).to_be_disabled()  # before an answer is chosen
    await expect(run).to_have_accessible_description("Choose an answer first.")
    await expect(page.locator("#scenario-hint")).to_be_visible()
    await page.locator(".scenario-choices input").last.check()
    await expect(page.locator("#scenario-hint")).to_be_hidden()
    await run.click()
    await site.until(network={"rtt": 200, "jitter": 0, "bandwidth": None})
    answer = page.locator(".scenario-answer")
    await expect(answer).to_contain_text(re.compile(r"Right\..*streaming [\d.]+\sm?s"))
    assert "{" not in (await answer.text_content() or "")
    await page.locator(".scenario-close").click()
    await expect(page.locator("#scenario")).to_be_hidden()
    await site.until(network={"rtt": 0, "jitter": 0, "bandwidth": None})
    await expect(page).not_to_have_url(re.compile("scene|rtt|rate"))
    await expect(page.locator("#controls .play")).to_have_text("Stop" if is_running else "Start")


async def shorten(page: Page, seconds: int) -> None:
    """Let a scenario of this duration end after three seconds."""
    await page.add_init_script(
        "const real = setTimeout;"
        f"window.setTimeout = (act, delay) => real(act, delay === {seconds}000 ? 3000 : delay);"
    )


async def test_leaving_a_scenario_removes_its_faults(site: DemoSite) -> None:
    page = await site.tab("&scene=race")
    await page.locator(".scenario-choices input").last.check()
    await buffer_and_compress(page, site)
    await page.locator(".scenario-run").click()  # it starts without the earlier faults
    await site.until("faults", buffering=False, gzip=False)
    await press(page, "Stop")
    await buffer_and_compress(page, site)
    lapses = site.state()["lapses"]
    await page.goto("about:blank")
    await site.until("faults", buffering=False, gzip=False)
    await site.until(lapses=lapses + 1)  # the next test is undisturbed


async def buffer_and_compress(page: Page, site: DemoSite) -> None:
    for name in ("Buffer", "gzip"):
        await press(page, name)
        button = page.get_by_role("button", name=name)
        await expect(button).to_have_attribute("aria-pressed", "true")
    faults = site.state()["faults"]
    assert faults["buffering"] and faults["gzip"]


# --- Accessibility -----------------------------------------------------------------------------


async def test_axe_finds_no_serious_violation(site: DemoSite) -> None:
    page = await site.open()
    errors = console_errors(page)
    site.publish("look at me")
    await expect_counts(page, "polling", sent=1, received=1)
    await assert_accessible(page)
    await select_latest_event(page)
    await expect(page.locator(".wire h3")).to_be_visible()
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await page.get_by_label("Scenario").select_option("cut")
    await page.keyboard.press("Tab")
    await assert_accessible(page)
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await assert_accessible(page)
    assert errors == []


async def assert_accessible(page: Page) -> None:
    serious = [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in await violations(page)
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == [], json.dumps(serious, indent=1)


async def test_control_problems_are_in_the_pages_language(site: DemoSite) -> None:
    page = await site.tab("&lanes=none&lang=ko")
    await page.route(
        "**/stage/cut/",
        lambda route: route.continue_(headers={**route.request.headers, "x-csrftoken": "x" * 64}),
    )
    await page.locator('[data-do="cut"]').click()
    await expect(page.locator("#outcome")).to_have_text("오래된 페이지예요. 새로 고쳐 주세요.")
    await page.route(
        "**/stage/cut/", lambda route: route.fulfill(status=503, json={"detail": "No."})
    )
    await page.locator('[data-do="cut"]').click()
    await expect(page.locator("#outcome")).to_have_text(
        "지금은 서버가 처리할 수 없어요. 다시 시도해 주세요."
    )


async def test_scenario_needs_the_demos_machine(site: DemoSite) -> None:
    page = await site.context.new_page()
    await shorten(page, seconds=25)
    await page.set_extra_http_headers({"X-Forwarded-For": "192.0.2.7"})
    await page.goto(site.address("&lanes=none&scene=cut"))
    where = "The feed and the network are controlled on the machine that runs the demo."
    await expect(page.locator(".scenario-answer")).to_have_text(where)
    await expect(page.locator(".no-demo")).to_have_text(where)
    await page.get_by_label("Scenario").select_option("hidden")  # needs no control
    await expect(page.locator(".scenario-answer")).to_be_empty()
    await page.locator(".scenario-choices input").first.check()
    await page.locator(".scenario-run").click()
    no_answer = "No answer: this tab was hidden for 0 s of the run."
    await expect(page.locator(".scenario-answer")).to_contain_text(no_answer)
    await expect(page.locator(".scenario-choices [data-right]")).to_have_count(0)


async def test_page_outside_the_demo_explains_make_demo(outside: Site) -> None:
    page = await outside.open()
    await expect(page.locator(".no-demo")).to_contain_text("make demo")
    await expect(page.get_by_role("button", name="Cut all")).to_be_hidden()
    await expect(page.get_by_role("slider")).to_have_count(1)
    await slide(page, "Poll every", "Home")
    await announced(page, "Poll every 100\u00a0ms")
    ids = outside.publish("one")
    await expect_received(page, *ids)
    for name in LANES:
        await has_count(page, name, "up", "\u2013")
    await page.get_by_label("Scenario").select_option("cut")
    await expect(page.locator(".scenario-answer")).to_contain_text("make demo")


# --- Drawing -----------------------------------------------------------------------------------


async def test_lanes_are_redrawn_once_per_column_of_time(outside: Site) -> None:
    page = await outside.context.new_page()
    await page.emulate_media(reduced_motion="no-preference")
    await page.goto(outside.address("&window=60&lanes=none"))
    await expect(page.locator("#clock")).not_to_be_empty()  # drawing starts after reading the clock
    # A busy machine draws later, but never more often than time moves by a column.
    drawn, columns, elapsed, frames = await page.evaluate(DRAWN, [1_000, 5])
    assert 5 <= drawn < columns * elapsed / 60_000 + 3
    assert drawn <= frames + 1
    await page.keyboard.press("Space")
    await expect(page.locator("#freeze")).to_have_attribute("aria-pressed", "true")
    await page.evaluate(
        "() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))"
    )
    drawn, *_ = await page.evaluate(DRAWN, [200, 0])
    assert drawn == 0


async def test_marks_per_frame_are_bounded_by_the_width(outside: Site) -> None:
    page = await outside.tab("&lanes=none")
    slow, fast, faster = [await page.evaluate(DRAW, [rate, 70, 1]) for rate in (1, 100, 500)]
    # The marks of a lane's column: the pile and its edge, a tick, a bar and its end.
    bound = fast["width"] * (5 * fast["lanes"] + 1) + 300
    assert slow["marks"] < fast["marks"] < bound
    assert faster["marks"] < bound
    # Events older than about a minute are removed, as are all beyond ten thousand.
    assert fast["occurrences"] <= 70 * 100 + 200
    assert faster["occurrences"] <= 10_000
    assert faster["exchanges"] <= 10_000
