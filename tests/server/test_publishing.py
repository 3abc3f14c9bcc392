"""Publishing from synchronous code and from other processes, with the recipes of the docs."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import httpx
import pytest
from channels.layers import channel_layers
from django.contrib.auth.signals import user_logged_in
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings

from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.program import ROOT, run_python
from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND
from transports import background_loop, feed, hub, synchronous
from transports.events import Draft, Event
from transports.store.base import StoreUnavailable

pytestmark = [pytest.mark.own_server]

PAGES = [ROOT / "docs/publishing.md", ROOT / "docs/publishing.ko.md"]
IDLE = 10.0  # seconds


def recipes(page: Path, language: str) -> dict[str, str]:
    """Return the code of the page, by section's number."""
    sections = re.split(r"^## .*$", page.read_text(), flags=re.M)
    blocks = {
        n: re.search(rf"```{language}\n(.*?)```", part, re.S) for n, part in enumerate(sections)
    }
    return {str(n): match[1] for n, match in blocks.items() if match}


INTRODUCTION, ASYNC_VIEW, VIEW, SIGNAL, THREAD, SHELL, PROGRAM, RENDERED = map(str, range(8))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process serve a feed in memory."""
    monkeypatch.setattr(feed, "_is_serving", True)
    with override_settings(REDIS_URL=""):
        yield


@pytest.fixture
def redis_feed(redis_server: RedisServer) -> Iterator[None]:
    """Use the feed in Redis from this process."""
    layer = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": redis_server.url, "socket_timeout": 15}]},
    }
    with override_settings(REDIS_URL=redis_server.url, CHANNEL_LAYERS={"default": layer}):
        channel_layers.backends.clear()
        loop = background_loop.current()
        asyncio.run_coroutine_threadsafe(feed.aclose(), loop).result(BOUND)  # of earlier tests
        try:
            yield
        finally:
            for closing in (feed.aclose(), channel_layers["default"].close_pools()):
                asyncio.run_coroutine_threadsafe(closing, loop).result(BOUND)
            channel_layers.backends.clear()


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with Accounts(tmp_path, migrated=False) as accounts:
        yield accounts


def run(code: str, redis_server: RedisServer) -> str:
    """Run a program in a process of its own; return its output, or raise with its errors."""
    prelude = "import django; django.setup(); from transports import synchronous; "
    prelude += "from transports.events import Draft\n"
    return run_python("-c", prelude + code, env={"REDIS_URL": redis_server.url}).stdout


# --- Recipes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_have_at_most_ten_lines(page: Path) -> None:
    for language in ("py", "console"):
        for recipe in recipes(page, language).values():
            assert len([line for line in recipe.splitlines() if line]) <= 10, recipe
    assert recipes(page, "py") == recipes(PAGES[0], "py")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that executes the Python of a section and returns its names."""
    shop, models = ModuleType("shop"), ModuleType("shop.models")
    models.Order = MagicMock()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.setitem(sys.modules, "shop.models", models)

    def execute(section: str) -> SimpleNamespace:
        names: dict[str, Any] = {}
        exec(compile(recipes(PAGES[0], "py")[section], section, "exec"), names)
        return SimpleNamespace(**names)

    return execute


def latest(room: str) -> Event:
    return synchronous.history_sync(room).events[-1]


@pytest.mark.usefixtures("memory")
def test_a_script_and_a_thread_publish(recipe: Any) -> None:
    recipe(INTRODUCTION)
    assert (latest("lobby").sender, latest("lobby").text) == ("shop", "Order 7 is paid")
    recipe(THREAD).work()
    assert latest("lobby").text == "The report is ready"
    for thread in threading.enumerate():
        if thread.name.startswith("Thread-"):
            thread.join(BOUND)


@pytest.mark.usefixtures("memory")
async def test_an_async_view_publishes(recipe: Any) -> None:
    assert (await recipe(ASYNC_VIEW).greet(None)).status_code == 204
    assert (await feed.history("lobby")).events[-1].text == "Hello from an async view"


@pytest.mark.usefixtures("memory")
def test_a_view_and_a_signal_publish_after_the_commit(
    recipe: Any, accounts: Accounts, room: str
) -> None:
    assert accounts.now(lambda: recipe(VIEW).pay(None, room)).status_code == 204
    event = latest(f"order-{room}")
    assert (event.name, event.data, event.text) == ("paid", {"order": room}, "")

    names = recipe(SIGNAL)
    try:
        user = MagicMock(__str__=lambda _: room)
        accounts.now(lambda: user_logged_in.send(None, user=user))
        assert latest("staff-log").text == f"{room} has logged in"
    finally:
        user_logged_in.disconnect(names.announce)


@pytest.mark.usefixtures("memory")
def test_a_rollback_publishes_nothing(accounts: Accounts, room: str) -> None:
    def work() -> None:
        with transaction.atomic():
            synchronous.publish_on_commit(Draft(room, "ada", "hi"))
            assert not synchronous.history_sync(room).events
            raise KeyError

    with pytest.raises(KeyError):
        accounts.now(work)
    assert not synchronous.history_sync(room).events


@pytest.mark.usefixtures("memory")
def test_a_page_starts_after_its_own_rendering(recipe: Any, room: str) -> None:
    synchronous.publish_sync(Draft(f"order-{room}", "ada", "before"))
    names = recipe(RENDERED)
    contexts: list[Any] = []
    names.order.__globals__["render"] = lambda request, template, context: contexts.append(context)
    names.order(None, room)
    after = synchronous.publish_sync(Draft(f"order-{room}", "ada", "after"))
    assert synchronous.history_sync(f"order-{room}", contexts[0]["cursor"]).events == (after,)


@pytest.mark.redis
@pytest.mark.usefixtures("redis_feed")
def test_a_command_publishes_over_redis(redis_live_server: LiveServer) -> None:
    for line in re.findall(r"^\$ (.*)$", recipes(PAGES[0], "console")[SHELL], re.M):
        call_command(*shlex.split(line)[1:])
    with httpx.Client(base_url=redis_live_server.url) as http:
        (event,) = http.get("/polling/order-7/").json()["events"][-1:]
        assert (event["sender"], event["text"]) == ("server", "")
        assert (event["name"], event["data"]) == ("paid", {"order": 7})
        assert http.get("/polling/lobby/").json()["events"][-1]["text"] == "Back at nine"


def test_a_program_publishes_over_http(memory_live_server: LiveServer) -> None:
    command = recipes(PAGES[0], "console")[PROGRAM].removeprefix("$ ")
    # Anonymous: without the header, and with a sender.
    command = command.replace('-H "Authorization: Bearer $TOKEN" ', "").replace(
        "-d '{\"", '-d \'{"sender": "shop", "'
    )
    command = command.replace("8000", str(memory_live_server.port))
    answers = [
        json.loads(subprocess.run(["bash", "-c", command], check=True, capture_output=True).stdout)
        for _ in range(2)
    ]
    assert answers[0]["name"] == "paid"
    assert answers[0] == answers[1]


# --- Loops and processes -----------------------------------------------------------------------


@pytest.mark.usefixtures("memory")
async def test_a_thread_of_the_server_reaches_its_subscribers(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is idle: a message from another loop would not wake it."""
    monkeypatch.setattr(hub, "SWEEP_INTERVAL", 2 * BOUND)
    published: list[Event] = []

    def publish() -> None:
        published.append(synchronous.publish_sync(Draft(room, "ada", "hi")))

    try:
        async with aclosing(hub.subscribe(room, heartbeat=2 * BOUND)) as batches:
            await anext(batches)
            thread = threading.Thread(target=publish)
            async with asyncio.timeout(IDLE):
                thread.start()
                batch = await anext(batches)
            await asyncio.to_thread(thread.join, BOUND)
            assert batch.events == tuple(published)
    finally:
        await hub.aclose()


@pytest.mark.usefixtures("memory")
async def test_synchronous_publishing_on_a_running_loop_is_an_error(room: str) -> None:
    with pytest.raises(RuntimeError, match="await"):
        synchronous.publish_sync(Draft(room, "ada", "hi"))


@pytest.mark.usefixtures("memory")
def test_threads_of_a_process_number_their_events_without_gaps(room: str) -> None:
    threads = [
        threading.Thread(
            target=lambda: [synchronous.publish_sync(Draft(room, "ada", "hi")) for _ in range(20)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND)
    assert synchronous.cursor_sync(room).seq == 80


@pytest.mark.redis
def test_publishing_leaks_no_descriptor_and_no_thread(redis_server: RedisServer) -> None:
    output = run(
        """
import os, threading
def left():
    return len(os.listdir("/proc/self/fd")), threading.active_count()
synchronous.publish_sync(Draft("many", "ada", "0"))
first = left()
for number in range(1, 500):
    event = synchronous.publish_sync(Draft("many", "ada", str(number)))
print(first == left(), event.cursor.seq)
""",
        redis_server,
    )
    assert output.split() == ["True", "500"]


@pytest.mark.redis
def test_a_forked_child_publishes_on_a_loop_of_its_own(redis_server: RedisServer) -> None:
    output = run(
        """
import os
synchronous.publish_sync(Draft("forked", "ada", "parent"))
child = os.fork()
if not child:
    synchronous.publish_sync(Draft("forked", "ada", "child"))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
synchronous.publish_sync(Draft("forked", "ada", "parent again"))
print([event.text for event in synchronous.history_sync("forked").events])
""",
        redis_server,
    )
    assert output.strip() == "['parent', 'child', 'parent again']"


def test_without_redis_another_process_cannot_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_is_serving", False)
    with override_settings(REDIS_URL=""), pytest.raises(CommandError, match="REDIS_URL"):
        call_command("publish", "lobby", "hi")


@pytest.mark.redis
@pytest.mark.usefixtures("redis_feed")
def test_a_publish_whose_response_was_lost_is_not_duplicated(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transports.store.redis.store import RedisStore

    append_once, attempts = RedisStore.append_once, 0

    async def cut_after_the_append(self: RedisStore, *arguments: Any) -> Event | None:
        nonlocal attempts
        attempts += 1
        event = await append_once(self, *arguments)
        if attempts == 1:
            raise StoreUnavailable("cut")
        return event

    monkeypatch.setattr(RedisStore, "append_once", cut_after_the_append)
    event = synchronous.publish_sync(Draft(room, "ada", "hi", data={"n": 1}))
    assert (attempts, synchronous.history_sync(room).events) == (2, (event,))


@pytest.mark.usefixtures("memory")
def test_only_robust_publishing_survives_an_outage(
    accounts: Accounts, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*arguments: Any) -> Event:
        raise StoreUnavailable("unavailable")

    monkeypatch.setattr(synchronous, "publish_sync", unavailable)

    def work(robust: bool) -> None:
        with transaction.atomic():
            synchronous.publish_on_commit(Draft(room, "ada", "hi"), robust=robust)

    accounts.now(lambda: work(True))
    with pytest.raises(StoreUnavailable):
        accounts.now(lambda: work(False))


@pytest.mark.parametrize("draft", [Draft("UPPER", "a", "hi"), Draft("r", "a", "hi", name="a\nb")])
@pytest.mark.usefixtures("memory")
def test_an_event_that_clients_could_not_receive_is_an_error(draft: Draft) -> None:
    with pytest.raises(ValueError, match="name must have"):
        synchronous.publish_sync(draft)
