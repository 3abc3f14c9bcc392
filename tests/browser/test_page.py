"""The page in a real Chromium, with a live server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
import pytest_asyncio
from django.contrib.auth.hashers import make_password
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.support.accounts import Accounts
from tests.support.chromium import ELSEWHERE, console_errors
from tests.support.live import LiveServer
from tests.support.page import (
    LANES,
    Site,
    all_lanes,
    expect_counts,
    expect_received,
    lane,
    select_latest_event,
    unfold,
    write,
)
from tests.support.redis_server import RedisServer
from tests.support.waiting import until_async
from transports.registry import TECHNIQUES

pytestmark = pytest.mark.own_server


@pytest_asyncio.fixture(loop_scope="session")
async def page(site: Site) -> Page:
    return await site.open()


# --- Publishing and receiving ------------------------------------------------------------------


async def test_published_event_appears_in_every_lane(site: Site) -> None:
    page = await site.context.new_page()
    errors = console_errors(page)
    hosts = set[str]()
    page.on("request", lambda request: hosts.add(httpx.URL(request.url).netloc.decode()))
    response = await page.goto(site.address())
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    await all_lanes(page, "open")
    await unfold(page)
    for name, requests in {"streaming": "1", "sse": "2", "websocket": "1"}.items():
        # Before EventSource connects, another request fetches the cursor.
        for counted, value in {"requests": requests, "open": "1"}.items():
            await expect(lane(page, name).locator(f'[data-count="{counted}"]')).to_have_text(value)
    await write(page, "Good morning")
    message = page.locator("#conversation .event[data-type=message]")
    await expect(message).to_have_count(1)
    await expect(message.locator(".sender")).to_have_text("ada")
    await expect(message.locator(".text")).to_have_text("Good morning")
    await expect(message).to_have_attribute("data-own", "")
    await expect(message.locator(".seen .is-here")).to_have_count(len(LANES))
    delay = re.compile(r"^[\d.]+\sm?s$")
    for name in LANES:
        cell = page.locator(f'#events tr[data-type=message] [data-technique="{name}"]')
        await expect(cell).to_have_text(delay)
        await expect(lane(page, name).locator(".median strong")).to_have_text(delay)
        # A single delay has no percentile.
        await expect(lane(page, name).locator(".p95 strong")).to_have_text("\u2013")
        await expect(lane(page, name).locator(".verdict")).to_have_text("Complete")
    await expect(page.get_by_label("Text", exact=True)).to_have_value("")
    await expect(page.get_by_label("Text", exact=True)).to_be_focused()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("ada")
    for name in LANES:  # set by a script, since the policy forbids inline styles
        colour = "(lane) => getComputedStyle(lane).getPropertyValue('--colour')"
        assert await lane(page, name).evaluate(colour)
    # The longest delay has the longest bar, and the others are relative to it.
    bars = """() => {
      const bars = [...document.querySelectorAll(".length")];
      const long = bars.map((bar) => Number(bar.style.getPropertyValue("--long")));
      return long.filter((part) => part === 1).length === 1 && Math.min(...long) > 0;
    }"""
    await until_async(lambda: page.evaluate(bars))  # not wait_for_function: the CSP forbids eval
    await expect(page.locator("#clock")).to_contain_text("The two clocks agree within ±")
    assert errors == []
    assert hosts == {httpx.URL(site.url).netloc.decode()}


HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "안녕하세요, 세종대왕님 👩‍👩‍👧‍👦 \u2028 line separator & &amp; {reason}",
]


async def test_text_is_shown_unchanged(page: Page) -> None:
    errors = console_errors(page)
    messages = page.locator("#conversation .event[data-type=message]")
    for number, text in enumerate(HOSTILE):
        await write(page, text, sender="<b>ada</b>")
        await expect(messages).to_have_count(number + 1)
        shown_text = messages.last.locator(".text")
        assert await shown_text.evaluate("(element) => element.textContent") == text
        # Also by Server-Sent Events: U+2028 ends no line.
        await expect(messages.last.locator(".seen .is-here")).to_have_count(len(LANES))
        assert await shown_text.evaluate("(element) => element.childElementCount") == 0
        assert await messages.last.locator(".sender").text_content() == "<b>ada</b>"
        cell = page.locator("#events tr[data-type=message] td").first
        await expect(cell).to_have_text(f"<b>ada</b>: {text}", use_inner_text=False)
    await select_latest_event(page)
    await expect(page.locator(".picked")).to_have_text(f"<b>ada</b>: {HOSTILE[-1]}")
    assert "owned" not in await page.title()
    assert errors == []

    # On a phone, long text wraps: no horizontal scrolling, nothing cut off.
    for _ in range(2):  # close the inspector, unfreeze
        await page.keyboard.press("Escape")
    await page.set_viewport_size({"width": 390, "height": 844})
    await write(page, "Donaudampfschifffahrtsgesellschaft" * 20, sender="W" * 40)
    await expect(messages).to_have_count(len(HOSTILE) + 1)
    events = page.locator("#conversation")
    assert await events.evaluate("(list) => list.scrollWidth <= list.clientWidth")
    await select_latest_event(page)
    await expect(page.locator("#inspector")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_earlier_events_are_shown_without_a_delay(site: Site) -> None:
    ids = site.publish("first", "second")
    page = await site.open()
    await expect_received(page, *ids)
    for name in LANES:
        cells = page.locator(f'#events [data-technique="{name}"]')
        await expect(cells).to_have_text(["from before"] * 2)
        await expect(lane(page, name).locator(".measured")).to_have_text("0")

    # The page shows a bounded number of events.
    site.publish(*map(str, range(250)))
    for name in LANES:
        await expect_counts(page, name, sent=252, received=252)
        await expect(lane(page, name).locator(".verdict")).to_have_text("Complete")
    await expect(page.locator("#conversation .event")).to_have_count(200)
    await expect(page.locator("#conversation .event .text").last).to_have_text("249")
    await expect(page.locator("#events tr")).to_have_count(50)


async def test_chat_follows_new_events_unless_scrolled_up(site: Site) -> None:
    page = await site.open()
    site.publish(*(f"{number} " + "소식이 " * 25 for number in range(40)))
    chat = page.locator("#conversation")
    await expect(chat.locator(".event")).to_have_count(40)
    distance_to_end = "(list) => list.scrollHeight - list.scrollTop - list.clientHeight"

    async def is_at_end() -> bool:
        return bool(await chat.evaluate(distance_to_end) < 2)

    # Lines wrap differently at each width.
    for width in (390, 1440, 800):
        # Wait for all lanes, so that only the width changes the layout.
        receipts = chat.locator(".event").last.locator(".is-here")
        await expect(receipts).to_have_count(len(LANES))
        await page.set_viewport_size({"width": width, "height": 844})
        await until_async(is_at_end)
        site.publish(f"at {width}")
        await expect(chat.locator(".text").last).to_have_text(f"at {width}")
        await until_async(is_at_end)

    scroll_up = """(list) => new Promise((scrolled) => {
      list.addEventListener("scroll", scrolled, { once: true });
      list.scrollBy(0, -200);
    })"""  # the scroll event comes with the next frame
    await chat.evaluate(scroll_up)
    site.publish("unseen")
    await expect(chat.locator(".text").last).to_have_text("unseen")
    assert await chat.evaluate(distance_to_end) > 150


async def test_failed_publish_shows_its_reason_and_keeps_the_text(page: Page) -> None:
    await write(page, "   ")
    await expect(page.get_by_role("alert")).to_have_text("The text must have 1 to 2000 characters.")
    await expect(page.get_by_label("Text", exact=True)).to_have_value("   ")
    await write(page, "Good morning", sender="")
    await expect(page.get_by_role("alert")).to_contain_text("The name must have")
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Good morning")
    await write(page, "Good morning")
    await expect(page.locator("#outcome")).to_be_empty()
    for name in LANES:
        await expect(lane(page, name).locator(".measured")).not_to_have_text("0")

    await page.route("**/publish/**", lambda route: route.abort())
    await write(page, "Good evening")
    await expect(page.get_by_role("alert")).to_have_text("The server cannot be reached.")
    await expect(page.get_by_label("Text", exact=True)).to_have_value("Good evening")


async def test_retried_publish_is_published_once(page: Page) -> None:
    keys: list[str | None] = []
    may_continue = asyncio.Event()

    async def lose_the_response(route: Route) -> None:
        keys.append(await route.request.header_value("Idempotency-Key"))
        if len(keys) == 1:
            await route.fetch()  # published, but the response is lost
            return await route.abort()
        if len(keys) == 2:
            return await route.fulfill(status=503, json={"code": "unavailable"})
        await may_continue.wait()
        await route.continue_()

    await page.route("**/publish/**", lose_the_response)
    await write(page, "Good evening")
    await expect(page.get_by_role("alert")).to_contain_text("Trying again …")
    may_continue.set()
    await expect(page.get_by_label("Text", exact=True)).to_have_value("")
    await expect(page.locator("#outcome")).to_be_empty()
    await write(page, "Good evening")  # another message with the same text
    messages = page.locator("#conversation .event[data-type=message]")
    await expect(messages).to_have_count(2)
    assert len(keys) == 4
    assert len(set(keys[:3])) == 1
    assert len(set(keys)) == 2


BOTH_KEYS = """(keys) => {
  const press = (key) => new KeyboardEvent("keydown", { key, bubbles: true });
  for (const key of keys) document.body.dispatchEvent(press(key));
}"""


async def test_page_works_by_keyboard_alone(page: Page) -> None:
    await page.get_by_label("Name", exact=True).focus()
    await page.keyboard.type("ada 1")  # digits typed into a field are not shortcuts
    await page.keyboard.press("Tab")
    await page.keyboard.type("Good morning")
    await page.keyboard.press("Enter")
    await expect(page.locator("#conversation .event[data-type=message]")).to_have_count(1)
    await all_lanes(page, "open")
    await page.evaluate("document.activeElement.blur()")
    for number, name in enumerate(LANES, start=1):
        await page.keyboard.press(str(number))
        await expect(lane(page, name)).to_have_attribute("data-state", "stopped")
        await page.keyboard.press(str(number))
        await expect(lane(page, name)).to_have_attribute("data-state", "open")

    await page.evaluate(BOTH_KEYS, [" ", "ArrowLeft"])  # before a frame is drawn
    await expect(page.locator(".picked")).to_have_text("ada 1: Good morning")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.locator("#freeze")).to_have_attribute("aria-pressed", "false")
    await page.keyboard.press("Space")
    await expect(page.locator("#freeze")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".picked")).to_have_text("ada 1: Good morning")
    chosen = page.locator(".inspector .is-chosen")
    await expect(chosen).to_contain_text("Polling")
    await page.keyboard.press("ArrowUp")
    await expect(chosen).to_contain_text("WebSocket")
    await expect(page.locator(".wire")).to_contain_text("make demo")
    await page.keyboard.press("Escape")
    await expect(page.locator("#inspector")).to_be_hidden()
    await page.keyboard.press("Space")
    await expect(page.locator("#freeze")).to_have_attribute("aria-pressed", "false")

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.get_by_label("Keyboard shortcuts are on").press("Space")
    await page.keyboard.press("Escape")
    await page.keyboard.press("1")
    await page.keyboard.press("Space")
    await expect(page.locator("#freeze")).to_have_attribute("aria-pressed", "false")
    await expect(lane(page, "polling")).to_have_attribute("data-state", "open")


# --- Stopping and reconnecting -----------------------------------------------------------------


async def test_a_stopped_lane_resumes_after_its_last_event(page: Page, site: Site) -> None:
    errors = console_errors(page)
    ids = site.publish("one")
    await expect_received(page, *ids)
    for name in LANES:
        await lane(page, name).get_by_role("button", name="Stop").click()
        await expect(lane(page, name)).to_have_attribute("data-state", "stopped")
    ids += site.publish("two", "three")
    for name in LANES:
        await expect_counts(page, name, received=1)
        await lane(page, name).get_by_role("button", name="Start").click()
    await expect_received(page, *ids)
    ids += site.publish("four")
    await expect_received(page, *ids)
    assert errors == []


async def test_a_restart_in_memory_shows_a_reset_in_every_lane(
    context: BrowserContext, room: str
) -> None:
    environment = {"REDIS_URL": ""}
    with LiveServer(env=environment) as server:
        site = Site(context, server.url, room)
        page = await site.open()
        ids = site.publish("one", "two")
        await expect_received(page, *ids)
        server.kill()
        await all_lanes(page, "reconnecting")
        for name in LANES:
            await expect(lane(page, name).locator(".state")).to_contain_text("Reconnecting")
    for restarts, room_is_empty in enumerate([True, False], start=1):
        with LiveServer(port=server.port, env=environment) as restarted:
            if room_is_empty:
                await all_lanes(page, "open")
            ids += site.publish("three", "four")
            await expect_received(page, *ids, verdict="Complete since the reset")
            for name in LANES:
                resets = page.locator(
                    f'[data-type="reset"] [data-technique="{name}"][data-here="true"]'
                )
                await expect(resets).to_have_count(restarts)
            await all_lanes(page, "open")
            restarted.kill()
            await all_lanes(page, "reconnecting")


@pytest.mark.redis
async def test_a_restart_over_redis_loses_nothing(
    context: BrowserContext, redis_server: RedisServer, room: str
) -> None:
    environment = {"REDIS_URL": redis_server.url}
    with LiveServer(env=environment) as other, LiveServer(env=environment) as server:
        site, elsewhere = Site(context, server.url, room), Site(context, other.url, room)
        page = await site.open()
        ids = site.publish("one", "two")
        await expect_received(page, *ids)
        server.kill()
        await all_lanes(page, "reconnecting")
        ids += elsewhere.publish("three", "four")
        with LiveServer(port=server.port, env=environment):
            ids += elsewhere.publish("five")
            await expect_received(page, *ids)
            await all_lanes(page, "open")
            await expect(page.locator('[data-type="reset"]')).to_have_count(0)
            await expect(lane(page, "websocket").locator('[data-count="reconnects"]')).to_have_text(
                "1"
            )


# --- Figures of a lane -------------------------------------------------------------------------


async def answer_polls(page: Page, room: str, *documents: dict[str, object]) -> None:
    """Respond to the polling lane's next request with these events, then with empty batches."""
    batches = [[*documents]]

    async def answer(route: Route) -> None:
        events = batches.pop() if batches else []
        await route.fulfill(json={"room": room, "cursor": "x-9", "events": events})

    await page.route(f"**/polling/{room}/**", answer)


def event(number: int, kind: str = "message", **more: object) -> dict[str, object]:
    document = {"id": f"x-{number}", "type": kind, "room": "r", "sender": "ada", "text": "hi"}
    return {**document, "published_at": time.time(), **more}


async def test_lost_and_duplicated_events_are_counted(site: Site) -> None:
    page = await site.context.new_page()
    await answer_polls(page, site.room, *map(event, [1, 2, 2, 8, 7, 9]))
    await page.goto(site.address("&lanes=polling"))
    await expect_counts(page, "polling", received=6, lost=4, duplicated=1, outOfOrder=1)
    await expect(lane(page, "polling").locator(".verdict")).to_have_text("Missing: 3\u20136")


async def test_chat_shows_each_event_type(site: Site) -> None:
    page = await site.context.new_page()
    events = [
        event(1, "announcement", text="Closing at six"),
        event(2, "join"),
        event(3, "leave"),
        event(6, "reset", missed=3),
        event(7),
        event(8, "wink"),  # a type of a newer server
        event(9, "edit", of="x-7", text="good morning"),
        event(10, text="a slip"),
        event(11, "delete", of="x-10", text=""),
        event(12, "edit", of="x-10", text="too late"),
        event(14, "reset", missed=None),
    ]
    await answer_polls(page, site.room, *events)
    await page.goto(site.address("&lanes=polling"))
    items = page.locator("#conversation .event")
    texts = ["Closing at six", "ada joined", "ada left", "3 events missed", "good morning edited"]
    texts += ["deleted", "Events missed, number unknown"]
    await expect(items).to_contain_text(texts)
    await expect(items).to_have_count(7)
    await expect(page.get_by_text("too late")).to_have_count(0)
    await expect(lane(page, "polling").locator(".verdict")).to_have_text("Complete since the reset")
    background = "(item) => getComputedStyle(item).backgroundColor"
    plain = await items.nth(4).evaluate(background)
    for special in (0, 3, 6):
        assert await items.nth(special).evaluate(background) != plain


# Returns the texts of a lane's card that are cut off or overlap, for long values.
CRAMPED = """([LONG, REASONS]) => {
  const part = (selector) => document.querySelector(".lane[data-technique=polling] " + selector);
  const bottom = (selector) => part(selector).getBoundingClientRect().bottom;
  const cramped = [];
  part(".verdict").textContent = gettext("Complete since the reset");
  const reconnecting = gettext("Reconnecting in {seconds} s. {reason}").replace("{seconds}", "3");
  for (const reason of REASONS) {
    part(".state").textContent = reconnecting.replace("{reason}", gettext(reason));
    if (bottom(".verdict") > bottom(".standing") + 1) cramped.push(reason);
  }
  for (const [count, value] of Object.entries(LONG)) {
    part(`[data-count=${count}]`).textContent = value;
  }
  const cells = [...part(".counts").querySelectorAll("dd")];
  for (const cell of cells) if (cell.scrollWidth > cell.clientWidth) cramped.push(cell.textContent);
  const last = Math.max(...cells.map((cell) => cell.getBoundingClientRect().right));
  if (last > part(".figures").getBoundingClientRect().right) cramped.push("figures");
  return cramped;
}"""
LONG = {"requests": "123,456", "up": "192 kB", "down": "308 kB", "sent": "12,345"}
REASONS = [
    "The server cannot be reached.",
    "The connection was lost.",
    "The server ended the connection.",
    "No data arrived for too long.",
    "The server cannot do this now; please try again.",
]


async def test_closed_lane_shows_its_reason(site: Site) -> None:
    page = await site.context.new_page()

    async def reject(route: Route) -> None:
        await route.fulfill(
            status=403, content_type="application/problem+json", json={"detail": "Not for you."}
        )

    await page.route(f"**/polling/{site.room}/**", reject)
    reasons = {"ko": "닫혔어요. 여기서는 할 수 없는 일이에요.", "en": "Closed. Not for you."}
    for language, words in reasons.items():  # the server's detail is shown only in English
        await page.goto(site.address(f"&lanes=polling&lang={language}"))
        await expect(lane(page, "polling")).to_have_attribute("data-state", "closed")
        await expect(lane(page, "polling").locator(".state")).to_have_text(words)
        assert await page.evaluate(CRAMPED, [LONG, REASONS]) == []
    await page.unroute(f"**/polling/{site.room}/**")
    await lane(page, "polling").get_by_role("button", name="Start").click()
    await expect(lane(page, "polling")).to_have_attribute("data-state", "open")


async def test_clock_offset_is_corrected(site: Site) -> None:
    page = await site.context.new_page()

    async def respond(route: Route) -> None:
        await route.fulfill(json={"now": time.time() + 3600})

    await page.route("**/clock/", respond)
    await page.goto(site.address("&lanes=none"))
    await expect(page.locator("#clock")).to_contain_text("60.0\u00a0min ahead")


# --- One tab -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", ELSEWHERE])
async def test_second_tab_can_take_over(host: str, site: Site) -> None:
    url = site.url.replace("127.0.0.1", host)
    first = await Site(site.context, url, site.room).open()
    assert await first.evaluate("'locks' in navigator") == (host != ELSEWHERE)
    second = await site.context.new_page()
    await second.goto(f"{url}/?room={site.room}")
    await expect(second.get_by_text("already running in another tab")).to_be_visible()
    await expect(second.get_by_text("six to one host")).to_be_visible()
    await all_lanes(second, "stopped")
    await unfold(second)

    await second.get_by_role("button", name="Take over here").click()
    await all_lanes(second, "open")
    await all_lanes(first, "stopped")
    await expect(first.get_by_text("already running in another tab")).to_be_visible()

    ids = site.publish("one")
    await expect_received(second, *ids)
    await second.close()
    await expect(first.get_by_text("already running in another tab")).to_be_hidden()
    await expect_received(first, *ids)


# --- Appearance, rooms and sessions ------------------------------------------------------------


async def test_lanes_are_distinguishable_and_accessible(page: Page) -> None:
    marker = '(lane) => getComputedStyle(lane.querySelector(".marker")).fill'
    shape = '(lane) => lane.querySelector(".marker path").getAttribute("d")'
    schemes: list[Literal["dark", "light"]] = ["dark", "light"]
    for place, scheme in enumerate(schemes):
        await page.emulate_media(color_scheme=scheme)
        shapes = set()
        for technique in (candidate for candidate in TECHNIQUES if candidate.on_page):
            red, green, blue = bytes.fromhex(technique.colour[place][1:])
            element = lane(page, technique.name)
            assert await element.evaluate(marker) == f"rgb({red}, {green}, {blue})"
            shapes.add(await element.evaluate(shape))
        assert len(shapes) == len(LANES)
    await lane(page, "sse").get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("status")).to_have_text("Server-Sent Events: Stopped")


@pytest.mark.parametrize(
    ("room_name", "status", "words"),
    [("No such room!", 404, "must have 1 to 64 of the characters"), ("staff-1", 403, "Only staff")],
)
async def test_invalid_room_shows_an_error(
    memory_live_server: LiveServer, room_name: str, status: int, words: str
) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(memory_live_server.url, params={"room": room_name})
    assert response.status_code == status
    assert words in response.text
    assert "main.js" not in response.text


@pytest.fixture
def database(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of a server whose database has the user ada, password lovelace."""
    with Accounts(tmp_path) as accounts:
        accounts.user("ada", password=make_password("lovelace"))
        yield accounts.env


async def change_by_keyboard(page: Page, site: Site) -> None:
    """Edit and delete ada's message; check that an anonymous message cannot be changed."""
    messages = page.locator("#conversation .event[data-type=message]")
    site.publish("It is me too")  # an anonymous client with ada's name
    await expect(messages).to_have_count(2)
    await expect(messages.last.get_by_role("button")).to_have_count(0)
    own = messages.first
    await expect(own).to_have_attribute("data-own", "")
    await expect(page.locator("#conversation [data-own]")).to_have_count(1)
    await page.get_by_role("list", name="Chat in").focus()
    await page.keyboard.press("Tab")
    await expect(own.get_by_role("button", name="Edit")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type(" gone")
    await page.keyboard.press("Escape")
    await expect(own.get_by_role("button", name="Edit")).to_be_focused()
    await expect(own.locator(".text")).to_have_text("It is me")
    await page.keyboard.press("Enter")
    await page.keyboard.type(", indeed")
    await page.keyboard.press("Enter")
    await expect(own.locator(".text")).to_have_text("It is me, indeed")
    await expect(own.locator(".change")).to_have_text("edited")
    # Without the WebSocket, the change is sent by a request.
    await lane(page, "websocket").get_by_role("button", name="Stop").click()
    await own.get_by_role("button", name="Delete").press("Enter")
    await page.keyboard.press("Shift+Tab")  # leaving the button cancels the deletion
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(own.get_by_role("button", name="Really delete?")).to_be_focused()
    await expect(own.locator(".text")).to_have_text("It is me, indeed")
    await page.keyboard.press("Enter")
    await expect(own.locator(".text")).to_have_text("deleted")
    await expect(own.get_by_role("button")).to_have_count(0)
    async with httpx.AsyncClient(base_url=site.url) as client:
        events = (await client.get(f"/polling/{site.room}/")).json()["events"]
    kinds = [event["type"] for event in events if event["type"] not in ("join", "leave")]
    assert kinds == ["message", "message", "edit", "delete"]


async def log_in(page: Page, password: str = "lovelace") -> None:
    await page.get_by_label("Username").fill("ada")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_logged_in_user_publishes_under_their_name(
    context: BrowserContext, database: dict[str, str], room: str
) -> None:
    with LiveServer(env=database) as server:
        site = Site(context, server.url, room)
        page = await site.open()
        errors = console_errors(page)
        await page.get_by_role("link", name="Log in").click()
        await log_in(page, "wrong")
        await expect(page.get_by_role("alert")).to_have_text(
            "Wrong name or password. Upper and lower case matter."
        )
        await log_in(page)
        await all_lanes(page, "open")
        assert page.url == site.address()
        await expect(page.get_by_label("Name", exact=True)).to_have_value("ada")
        await write(page, "It is me", sender=None)
        sender = page.locator("#conversation .event[data-type=message] .sender")
        await expect(sender).to_have_text("ada")
        await expect(sender).to_have_class(re.compile("verified"))
        colour = "(sender) => getComputedStyle(sender, '::after').backgroundColor"
        assert await sender.evaluate(colour) != "rgba(0, 0, 0, 0)", (
            "the tick has a background, which text cannot imitate"
        )
        await change_by_keyboard(page, site)
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
        await expect(page.get_by_label("Name", exact=True)).to_be_editable()
        assert errors == []
        await session_ends(page, site.address())


async def session_ends(page: Page, url: str) -> None:
    """Check that a page reports the end of its session, while idle and when publishing."""

    async def log_in_again() -> None:
        await page.get_by_role("link", name="Log in").last.click()
        await log_in(page)
        await expect(name).not_to_be_editable()

    async def log_out_elsewhere() -> None:
        other = await page.context.new_page()
        await other.goto(str(httpx.URL(url).join("/login/")))
        await other.get_by_role("button", name="Log out").click()
        await expect(other.get_by_role("link", name="Log in")).to_be_visible()
        await other.close()

    async def shows_end() -> None:
        await expect(page.locator("#session")).to_contain_text("The session has ended")
        await expect(name).to_be_editable()
        for button in ("Edit", "Log out"):
            await expect(page.get_by_role("button", name=button)).to_have_count(0)

    name = page.get_by_label("Name", exact=True)
    await page.goto(f"{url}&lanes=websocket")
    await log_in_again()
    await write(page, "Mine", sender=None)
    await expect(page.get_by_role("button", name="Edit")).to_have_count(1)
    await expect(page.locator("#session")).to_be_hidden()
    await log_out_elsewhere()
    await shows_end()
    await log_in_again()
    await page.goto(str(httpx.URL(url).join("/websocket/")))  # a technique's page reports it too
    await expect(lane(page, "websocket")).to_have_attribute("data-state", "open")
    await log_out_elsewhere()
    await expect(page.locator("#session")).to_contain_text("The session has ended")
    await page.goto(f"{url}&lanes=none")
    await log_in_again()
    await page.context.clear_cookies()
    await write(page, "Whose?", sender=None)
    await shows_end()
