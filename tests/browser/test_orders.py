"""The blocks of examples/orders/README.md in a project of `startproject`, in Chromium."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from textwrap import indent

import pytest
from playwright.async_api import BrowserContext, expect

from realtime_demo.ports import free_port
from tests.support.program import ROOT, Program
from tests.support.redis_server import RedisServer

pytestmark = [pytest.mark.own_server, pytest.mark.redis]

LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
BLOCK = re.compile(r"^```(?:python|html)\n(?:# |<!-- )(\S+)(?: -->)?\n(.*?)^```$", re.M | re.S)
BEFORE, ADDED, CHANGES, ALONE = re.split(
    "## (?:What to add|Another technique|Twelve lines)\n",
    (ROOT / "examples/orders/README.md").read_text(),
)
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.M | re.S)
MOST_ADDED = 35  # lines
MOST_CHANGED = 5  # lines, for another technique
MOST_ALONE = 12  # lines, for Server-Sent Events alone
# Uvicorn's line about connections that are open when it stops.
WAITING = "Waiting for connections to close"
# Two views around the lines of the page: one publishes, one has the script.
VIEWS = """
from django.http import HttpResponse

def announce(request):
{publish}
    return HttpResponse(status=204)

def page(request):
    return HttpResponse({script!r})

urlpatterns += [path("announce/", announce), path("", page)]
"""
# A user with one order.
PREPARE = """
from django.core.management import call_command
call_command("makemigrations", "orders", verbosity=0)
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from orders.models import Order
Order.objects.create(user=User.objects.create_user("ada"))
"""
SAVE = 'from orders.models import Order; o = Order.objects.get(); o.status = "packed"; o.save()'
LOG_OUT = "from django.contrib.sessions.models import Session; Session.objects.all().delete()"
# Prints the cookie of the user's next session.
LOG_IN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get())
print(client.cookies["sessionid"].value)
"""


# The apps by their names in the wheel.
APPS = {name: name for name in ("longpoll", "streaming", "transports")}
APPS |= {"realtime_websocket": "websocket"}


class Project:
    """The project of the example in `folder`, with the session of its user in `cookie`."""

    cookie = ""

    def __init__(self, folder: Path, redis_url: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        installed = folder / "installed"
        installed.mkdir()
        for name, app in APPS.items():
            (installed / name).symlink_to(ROOT / app)
        self.env = {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": str(installed),
            "REDIS_PREFIX": uuid.uuid4().hex,
            "REDIS_URL": redis_url,
        }
        self.python("-m", "django", "startproject", "shop", ".", DJANGO_SETTINGS_MODULE="")

    def add_orders(self) -> None:
        """Add the app `orders`, the lines of the example, and a logged-in user."""
        folder = self.folder
        (folder / "orders/templates").mkdir(parents=True)
        (folder / "orders/__init__.py").touch()
        for name, text in BLOCK.findall(BEFORE) + BLOCK.findall(ADDED):
            with (folder / name).open("a") as file:
                file.write(f"\n{text}")
        self.cookie = self.python("manage.py", "shell", "-v", "0", "-c", PREPARE + LOG_IN)

    def python(self, *arguments: str, **env: str) -> str:
        completed = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, **self.env, **env},
            capture_output=True,
            text=True,
        )
        assert completed.returncode == 0, completed.stderr
        return completed.stdout.strip()

    def replace(self, diff: str) -> None:
        """Replace the lines that a diff block names."""
        for part in diff.split("--- ")[1:]:
            name, *lines = part.splitlines()
            text = (self.folder / name).read_text()
            for old, new in zip(lines[::2], lines[1::2], strict=True):
                assert (old[0], new[0]) == ("-", "+")
                assert text.count(f"{old[1:]}\n") == 1, old
                text = text.replace(f"{old[1:]}\n", f"{new[1:]}\n")
            (self.folder / name).write_text(text)

    def serve(self) -> Program:
        command = [sys.executable, "-m", "uvicorn", "--port", str(self.port), "--app-dir", "."]
        return Program(
            [*command, "shop.asgi:application"],
            LISTENING,
            self.env,
            signal_number=signal.SIGTERM,
            folder=self.folder,
        )


@pytest.fixture(scope="module")
def project(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("orders"), redis_server.url)
    project.add_orders()
    return project


@pytest.mark.timeout(300)
async def test_a_user_sees_each_change(
    project: Project, context: BrowserContext, redis_server: RedisServer
) -> None:
    lines = [line for _, text in BLOCK.findall(ADDED) for line in text.splitlines() if line]
    assert len(lines) <= MOST_ADDED

    async def manage(*arguments: str) -> str:
        return await asyncio.to_thread(project.python, "manage.py", *arguments)

    async def publish(status: str) -> None:
        data = json.dumps({"order": 1, "status": status})
        await manage("publish", "user-1", "", "--name", "order", "--data", data)

    async def log_in(cookie: str) -> None:
        await context.add_cookies([{"name": "sessionid", "value": cookie, "url": url}])

    url = f"http://127.0.0.1:{project.port}/"
    await log_in(project.cookie)
    with project.serve() as server:
        tab, other_tab = await context.new_page(), await context.new_page()
        await tab.goto(url)
        status = tab.locator("#order-1")
        await expect(status).to_have_text("new")
        await other_tab.goto(url)
        await other_tab.get_by_role("button", name="Pay").click()  # a sync view, and a signal
        await expect(status).to_have_text("paid")
        await other_tab.close()
        redis_server.client.client_kill_filter(_type="normal")
        await manage("shell", "-v", "0", "-c", SAVE)  # another process
        await expect(status).to_have_text("packed")
        assert await tab.evaluate("events.readyState === EventSource.OPEN")
        await asyncio.to_thread(server.stop)
        assert WAITING not in server.output(), "the stop waits for the open stream"
    await publish("shipped")  # while no server runs
    with project.serve():
        await expect(status).to_have_text("shipped")
        cookie = await manage("shell", "-v", "0", "-c", LOG_OUT + LOG_IN)
        await tab.wait_for_function("events.readyState === EventSource.CLOSED")
    await log_in(cookie)
    for number, diff in enumerate(DIFF.findall(CHANGES)):
        assert diff.count("\n+") <= MOST_CHANGED
        project.replace(diff)
        with project.serve():
            await tab.goto(url)
            await expect(status).to_have_text(f"shipped {number - 1}" if number else "shipped")
            await publish(f"shipped {number}")
            await expect(status).to_have_text(f"shipped {number}")


async def test_twelve_lines_show_an_event(tmp_path: Path, context: BrowserContext) -> None:
    settings, asgi, publish, script = re.findall(r"^```\w+\n(.*?)^```$", ALONE, re.M | re.S)
    lines = [line for text in (settings, asgi, publish, script) for line in text.splitlines()]
    assert len([line for line in lines if line]) <= MOST_ALONE
    project = Project(tmp_path)
    views = VIEWS.format(publish=indent(publish, "    "), script=script)
    for name, text in (("settings", settings), ("asgi", asgi), ("urls", views)):
        with (tmp_path / f"shop/{name}.py").open("a") as file:
            file.write(f"\n{text}")
    url = f"http://127.0.0.1:{project.port}/"
    with project.serve():
        tab, other_tab = await context.new_page(), await context.new_page()
        async with tab.expect_response("**/sse/"):
            await tab.goto(url)
        response = await other_tab.request.get(f"{url}announce/")
        assert response.status == 204
        await expect(tab.locator("body")).to_contain_text("Back at nine")
