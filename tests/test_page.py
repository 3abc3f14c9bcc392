"""The page in a real Chromium, over the real server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from transports.techniques import TECHNIQUES

from .browser import chromium, complaints
from .live import ROOT, LiveServer
from .redis_server import RedisServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.own_server,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("browser"),
]

PANES = [technique.name for technique in TECHNIQUES if technique.on_page]
APPLICATION = "realtime_demo.asgi:application"
RECOVERY = 30_000  # milliseconds in which a pane must have come back
expect.set_options(timeout=10_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext, memory_live_server: LiveServer, room: str) -> Page:
    return await open_page(context, memory_live_server.url, room)


async def open_page(context: BrowserContext, url: str, room: str) -> Page:
    """The page, once every pane is open."""
    page = await context.new_page()
    await page.goto(f"{url}/?room={room}")
    await all_panes(page, "open")
    return page


async def all_panes(page: Page, state: str) -> None:
    for name in PANES:
        await expect(pane(page, name)).to_have_attribute("data-state", state, timeout=RECOVERY)


def pane(page: Page, name: str) -> Any:
    return page.locator(f'[data-technique="{name}"]')


async def received(page: Page, name: str, *ids: str, verdict: str = "Complete") -> None:
    """Waits until the pane has shown these events, each once, newest first, and nothing else."""
    items = pane(page, name).locator('.event:not([data-type="reset"])')
    await expect(items).to_have_count(len(ids), timeout=RECOVERY)
    assert await items.evaluate_all("items => items.map((item) => item.dataset.id)") == [*ids][::-1]
    await expect(pane(page, name).locator(".verdict")).to_have_text(verdict)
    await ledger(page, name, received=len(ids))


async def ledger(page: Page, name: str, **counts: int) -> None:
    expected = {"lost": 0, "doubled": 0, "disordered": 0, **counts}
    for count, value in expected.items():
        cell = pane(page, name).locator(f'[data-count="{count}"]')
        await expect(cell).to_have_text(str(value))


def publish(url: str, room: str, *texts: str, sender: str = "ada") -> list[str]:
    """Publishes from outside the browser; the events' ids."""
    with httpx.Client(base_url=url) as client:
        answers = [
            client.post(f"/publish/{room}/", json={"sender": sender, "text": text})
            for text in texts
        ]
    return [answer.raise_for_status().json()["id"] for answer in answers]


async def write(page: Page, text: str, sender: str | None = "ada") -> None:
    if sender is not None:
        await page.get_by_label("Name").fill(sender)
    await page.get_by_label("Text").fill(text)
    await page.get_by_role("button", name="Publish").click()


# --- Publishing and seeing ---------------------------------------------------------------------


async def test_what_is_published_is_seen_in_every_pane(page: Page) -> None:
    await write(page, "Good morning")
    for name in PANES:
        event = pane(page, name).locator(".event")
        await expect(event).to_have_count(1)
        await expect(event.locator(".sender")).to_have_text("ada")
        await expect(event.locator(".text")).to_have_text("Good morning")
        await expect(event.locator(".delay")).to_have_text(re.compile(r"^[\d.]+\sm?s$"))
        await expect(pane(page, name).locator(".median strong")).not_to_have_text("\u2013")
        await expect(pane(page, name).locator(".verdict")).to_have_text("Complete")
        await ledger(page, name, received=1)
    await expect(page.get_by_label("Text")).to_have_value("")
    await expect(page.get_by_label("Text")).to_be_focused()
    await expect(page.get_by_label("Name")).to_have_value("ada")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
        "안녕하세요, 세종대왕님 👩‍👩‍👧‍👦 \u2028 line separator & &amp; {reason}",
    ],
)
async def test_text_is_shown_to_the_letter(page: Page, text: str) -> None:
    heard = complaints(page)
    await write(page, text, sender="<b>ada</b>")
    for name in PANES:
        event = pane(page, name).locator(".event")
        await expect(event).to_have_count(1)
        assert await event.locator(".text").evaluate("(element) => element.textContent") == text
        assert await event.locator(".sender").text_content() == "<b>ada</b>"
        assert await event.locator(".text").evaluate("(element) => element.childElementCount") == 0
    assert "owned" not in await page.title()
    assert heard == []


async def test_what_was_there_before_is_shown_and_not_counted_as_delay(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    ids = publish(memory_live_server.url, room, "first", "second")
    page = await open_page(context, memory_live_server.url, room)
    for name in PANES:
        await received(page, name, *ids)
        await expect(pane(page, name).locator(".event .delay")).to_have_text(["from before"] * 2)
        await expect(pane(page, name).locator(".measured")).to_have_text("0")


async def test_a_long_feed_keeps_the_page_small(
    page: Page, memory_live_server: LiveServer, room: str
) -> None:
    publish(memory_live_server.url, room, *map(str, range(250)))
    for name in PANES:
        await ledger(page, name, received=250)
        await expect(pane(page, name).locator(".event")).to_have_count(200)
        await expect(pane(page, name).locator(".event .text").first).to_have_text("249")
        await expect(pane(page, name).locator(".verdict")).to_have_text("Complete")


async def test_a_refused_publish_says_why_and_keeps_the_text(page: Page) -> None:
    await write(page, "   ")
    await expect(page.get_by_role("alert")).to_have_text(
        "'text' is a text of 1 to 2000 characters."
    )
    await expect(page.get_by_label("Text")).to_have_value("   ")
    await write(page, "Good morning", sender="")
    await expect(page.get_by_role("alert")).to_contain_text("'sender'")
    await expect(page.get_by_label("Text")).to_have_value("Good morning")
    await write(page, "Good morning")
    await expect(page.locator("#outcome")).to_be_empty()
    for name in PANES:
        await ledger(page, name, received=1)


async def test_an_unreachable_server_keeps_the_text(page: Page) -> None:
    await page.route("**/publish/**", lambda route: route.abort())
    await write(page, "Good morning")
    await expect(page.get_by_role("alert")).to_have_text("The server cannot be reached.")
    await expect(page.get_by_label("Text")).to_have_value("Good morning")


async def test_the_keyboard_is_enough(page: Page) -> None:
    await page.get_by_label("Name").focus()
    await page.keyboard.type("ada")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Good morning")
    await page.keyboard.press("Enter")
    for name in PANES:
        await expect(pane(page, name).locator(".event")).to_have_count(1)
    await page.keyboard.press("Tab")  # Publish
    for name in PANES:
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(pane(page, name)).to_have_attribute("data-state", "stopped")
        await page.keyboard.press("Tab")  # its events, which scroll
        await page.keyboard.press("Tab")  # its caveats


# --- Stopping and coming back ------------------------------------------------------------------


async def test_a_stopped_pane_goes_on_where_it_stopped(
    page: Page, memory_live_server: LiveServer, room: str
) -> None:
    ids = publish(memory_live_server.url, room, "one")
    for name in PANES:
        await received(page, name, *ids)
        await pane(page, name).get_by_role("button", name="Stop").click()
        await expect(pane(page, name)).to_have_attribute("data-state", "stopped")
    ids += publish(memory_live_server.url, room, "two", "three")
    for name in PANES:
        await ledger(page, name, received=1)
        await pane(page, name).get_by_role("button", name="Start").click()
        await received(page, name, *ids)
    ids += publish(memory_live_server.url, room, "four")
    for name in PANES:
        await received(page, name, *ids)


@pytest.mark.parametrize("quiet", [True, False], ids=["empty room", "room in use"])
async def test_a_restart_in_memory_is_owned_up_to_in_every_pane(
    context: BrowserContext, room: str, quiet: bool
) -> None:
    environment = {"REDIS_URL": ""}
    with LiveServer(env=environment) as server:
        page = await open_page(context, server.url, room)
        before = publish(server.url, room, "one", "two")
        for name in PANES:
            await received(page, name, *before)
        server.kill()
        await all_panes(page, "reconnecting")
        for name in PANES:
            await expect(pane(page, name).locator(".state")).to_contain_text("Reconnecting")
    with LiveServer(APPLICATION, "--port", str(server.port), env=environment):
        if quiet:
            await all_panes(page, "open")
        after = publish(server.url, room, "three", "four")
        for name in PANES:
            await received(page, name, *before, *after, verdict="Complete since the reset")
            await expect(pane(page, name).locator('[data-type="reset"]')).to_have_count(1)
        await all_panes(page, "open")


@pytest.mark.redis
async def test_a_restart_over_redis_loses_nothing(
    context: BrowserContext, redis_server: RedisServer, room: str
) -> None:
    environment = {"REDIS_URL": redis_server.url}
    with LiveServer(env=environment) as other, LiveServer(env=environment) as server:
        page = await open_page(context, server.url, room)
        ids = publish(server.url, room, "one", "two")
        for name in PANES:
            await received(page, name, *ids)
        server.kill()
        await all_panes(page, "reconnecting")
        ids += publish(other.url, room, "three", "four")
        with LiveServer(APPLICATION, "--port", str(server.port), env=environment):
            ids += publish(other.url, room, "five")
            for name in PANES:
                await received(page, name, *ids)
            await all_panes(page, "open")
            await expect(page.locator('[data-type="reset"]')).to_have_count(0)


# --- What a pane says of its feed --------------------------------------------------------------


async def answer_polls(page: Page, room: str, *documents: dict[str, object]) -> None:
    """From now on the polling pane is told this, once, by a server that is not ours."""
    batches = [[*documents]]

    async def answer(route: Route) -> None:
        events = batches.pop() if batches else []
        await route.fulfill(json={"room": room, "cursor": "x-9", "events": events})

    await page.route(f"**/polling/{room}/**", answer)


def event(number: int, kind: str = "message", **more: object) -> dict[str, object]:
    document = {"id": f"x-{number}", "type": kind, "room": "r", "sender": "ada", "text": "hi"}
    return {**document, "published_at": time.time(), **more}


async def test_a_feed_with_holes_is_shown_as_what_it_is(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    page = await context.new_page()
    await answer_polls(page, room, *map(event, [1, 2, 2, 8, 7, 9]))
    await page.goto(f"{memory_live_server.url}/?room={room}")
    await ledger(page, "polling", received=6, lost=4, doubled=1, disordered=1)
    await expect(pane(page, "polling").locator(".verdict")).to_have_text("Missing: 3\u20136")


async def test_the_ledger_knows_a_loss_from_a_reset(page: Page) -> None:
    judge = """async (events) => {
      const { Ledger } = await import("/static/realtime_demo/ledger.js");
      const ledger = new Ledger();
      for (const [id, type, missed] of events) ledger.record({ id, type, missed });
      return [ledger.received, ledger.lost, ledger.doubled, ledger.disordered, ledger.missed];
    }"""
    for events, expected in [
        # It begins anywhere, and a reset begins anew.
        ([["a-7", "message"], ["a-8", "message"]], [2, 0, 0, 0, 0]),
        ([["a-7", "message"], ["a-9", "reset", 2], ["a-10", "message"]], [2, 0, 0, 0, 2]),
        ([["a-7", "message"], ["b-0", "reset", None], ["b-1", "message"]], [2, 0, 0, 0, None]),
        # An empty room's epoch is the beginning of the one it gets with its first event.
        ([["a-7", "message"], ["b-0", "reset", None], ["bc-1", "message"]], [2, 0, 0, 0, None]),
        ([["a-7", "message"], ["b-0", "reset", None], ["bc-2", "message"]], [2, 1, 0, 0, None]),
        # A hole before a reset stays a hole; a numbering that nobody announced is one.
        ([["a-7", "message"], ["a-9", "message"], ["b-0", "reset", 1]], [2, 1, 0, 0, 1]),
        ([["a-7", "message"], ["b-1", "message"]], [2, 1, 0, 0, 0]),
        # What comes late was not lost, and what comes again is doubled.
        ([[f"a-{seq}", "message"] for seq in (1, 5, 3, 3, 2, 4)], [6, 0, 1, 3, 0]),
    ]:
        assert await page.evaluate(judge, events) == expected, events


async def test_announcements_comings_and_resets_stand_out(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    page = await context.new_page()
    kinds = [event(1, "announcement", text="Closing at six"), event(2, "join"), event(3, "leave")]
    kinds += [event(6, "reset", missed=3), event(7), event(9, "reset", missed=None)]
    await answer_polls(page, room, *kinds)
    await page.goto(f"{memory_live_server.url}/?room={room}")
    items = pane(page, "polling").locator(".event")
    await expect(items).to_have_count(6)
    assert await items.evaluate_all("items => items.map((item) => item.innerText)") == [
        AnyText("Events missed, number unknown"),
        AnyText("hi"),
        AnyText("Events missed: 3"),
        AnyText("left"),
        AnyText("joined"),
        AnyText("Closing at six"),
    ]
    await expect(pane(page, "polling").locator(".verdict")).to_have_text("Complete since the reset")
    plain = await items.nth(1).evaluate("(item) => getComputedStyle(item).backgroundColor")
    for special in (0, 2, 5):
        background = "(item) => getComputedStyle(item).backgroundColor"
        assert await items.nth(special).evaluate(background) != plain


class AnyText(str):
    """Equal to every text that contains it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in str(other)

    __hash__ = str.__hash__


async def test_a_closed_pane_says_why(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    page = await context.new_page()

    async def refuse(route: Route) -> None:
        await route.fulfill(
            status=403, content_type="application/problem+json", json={"detail": "Not for you."}
        )

    await page.route(f"**/polling/{room}/**", refuse)
    await page.goto(f"{memory_live_server.url}/?room={room}")
    await expect(pane(page, "polling")).to_have_attribute("data-state", "closed")
    await expect(pane(page, "polling").locator(".state")).to_have_text("Closed. Not for you.")
    await page.unroute(f"**/polling/{room}/**")
    await pane(page, "polling").get_by_role("button", name="Start").click()
    await expect(pane(page, "polling")).to_have_attribute("data-state", "open")


async def test_a_clock_that_is_ahead_is_corrected(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    page = await context.new_page()

    async def tell(route: Route) -> None:
        await route.fulfill(json={"now": time.time() + 3600})

    await page.route("**/clock/", tell)
    await page.goto(f"{memory_live_server.url}/?room={room}")
    await all_panes(page, "open")
    await expect(page.locator("#clock")).to_contain_text("60.0\u00a0min ahead")
    delay, uncertainty = await page.evaluate(
        """async () => {
          const { Clock } = await import("/static/realtime_demo/clock.js");
          const clock = new Clock();
          await clock.read("/clock/");
          const arrived = performance.timeOrigin + performance.now();
          return [clock.delay(arrived / 1000 + 3600 - 0.25, arrived), clock.uncertainty];
        }"""
    )
    assert delay == pytest.approx(250, abs=uncertainty)


async def test_the_clocks_of_one_machine_agree(page: Page) -> None:
    await expect(page.locator("#clock")).to_contain_text("The two clocks agree within ±")


# --- One tab -----------------------------------------------------------------------------------


async def test_a_second_tab_is_told_and_can_take_over(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    first = await open_page(context, memory_live_server.url, room)
    second = await context.new_page()
    await second.goto(f"{memory_live_server.url}/?room={room}")
    await expect(second.get_by_text("already running in another tab")).to_be_visible()
    await expect(second.get_by_text("six to one host")).to_be_visible()
    await all_panes(second, "stopped")

    await second.get_by_role("button", name="Take over here").click()
    await all_panes(second, "open")
    await all_panes(first, "stopped")
    await expect(first.get_by_text("already running in another tab")).to_be_visible()

    ids = publish(memory_live_server.url, room, "one")
    for name in PANES:
        await received(second, name, *ids)
    await second.close()
    await expect(first.get_by_text("already running in another tab")).to_be_hidden()
    for name in PANES:
        await received(first, name, *ids)


# --- The page itself ---------------------------------------------------------------------------


async def test_the_page_is_quiet_under_a_strict_policy(
    context: BrowserContext, memory_live_server: LiveServer, room: str
) -> None:
    page = await context.new_page()
    heard = complaints(page)
    hosts = set[str]()
    page.on("request", lambda request: hosts.add(httpx.URL(request.url).netloc.decode()))
    response = await page.goto(f"{memory_live_server.url}/?room={room}")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    await all_panes(page, "open")
    await write(page, "Good morning")
    for name in PANES:
        await expect(pane(page, name).locator(".event")).to_have_count(1)
        style = "(element) => getComputedStyle(element).inlineSize"
        assert await pane(page, name).locator(".scale .bar").evaluate(style) != "0px"
    assert heard == []
    assert hosts == {httpx.URL(memory_live_server.url).netloc.decode()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_each_technique_has_its_colour_and_its_shape(page: Page, scheme: Any) -> None:
    await page.emulate_media(color_scheme=scheme)
    marker = '(pane) => getComputedStyle(pane.querySelector(".marker")).fill'
    shape = '(pane) => pane.querySelector(".marker path").getAttribute("d")'
    shapes = set()
    for technique in (each for each in TECHNIQUES if each.on_page):
        dark, light = technique.colour
        red, green, blue = bytes.fromhex((dark if scheme == "dark" else light)[1:])
        element = pane(page, technique.name)
        assert await element.evaluate(marker) == f"rgb({red}, {green}, {blue})"
        shapes.add(await element.evaluate(shape))
    assert len(shapes) == len(PANES)


async def test_a_phone_does_not_scroll_sideways(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await write(page, "Donaudampfschifffahrtsgesellschaft" * 20, sender="W" * 40)
    for name in PANES:
        events = pane(page, name).locator(".events")
        await expect(events.locator(".event")).to_have_count(1)
        # Nor is anything cut off.
        assert await events.evaluate("(list) => list.scrollWidth <= list.clientWidth")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390


async def test_screen_readers_are_told_what_changed(page: Page) -> None:
    await pane(page, "sse").get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("status")).to_have_text("Server-Sent Events: Stopped")


@pytest.mark.parametrize(
    ("room_name", "status", "words"),
    [("No such room!", 404, "has 1 to 64 of the characters"), ("staff-1", 403, "staff alone")],
)
async def test_a_room_that_is_none_gets_a_clear_answer(
    memory_live_server: LiveServer, room_name: str, status: int, words: str
) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(memory_live_server.url, params={"room": room_name})
    assert response.status_code == status
    assert words in response.text
    assert "main.js" not in response.text


@pytest.fixture
def database(tmp_path: Path) -> dict[str, str]:
    """The environment of a server whose database knows the user ada, password lovelace."""
    environment = {"DATABASE_PATH": str(tmp_path / "db.sqlite3"), "SECRET_KEY": "secret"}
    user = {"DJANGO_SUPERUSER_PASSWORD": "lovelace"}
    for command in (
        ["migrate", "--verbosity=0"],
        ["createsuperuser", "--noinput", "--username=ada", "--email=ada@example.org"],
    ):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**os.environ, **environment, **user},
            check=True,
            capture_output=True,
        )
    return environment


async def test_who_is_logged_in_writes_under_that_name(
    context: BrowserContext, database: dict[str, str], room: str
) -> None:
    with LiveServer(env={"REDIS_URL": "", **database}) as server:
        page = await open_page(context, server.url, room)
        heard = complaints(page)
        await page.get_by_role("link", name="Log in").click()
        await page.get_by_label("Username").fill("ada")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("correct username and password")
        await page.get_by_label("Password").fill("lovelace")
        await page.get_by_role("button", name="Log in").click()
        await all_panes(page, "open")
        assert page.url == f"{server.url}/?room={room}"
        await expect(page.get_by_label("Name")).to_have_value("ada")
        await write(page, "It is me", sender=None)
        for name in PANES:
            await expect(pane(page, name).locator(".event .sender")).to_have_text("ada")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("link", name="Log in")).to_be_visible()
        await expect(page.get_by_label("Name")).to_be_editable()
        assert heard == []
