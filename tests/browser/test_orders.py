"""The blocks of examples/orders/README.md in a project of `startproject`, in Chromium."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.support.program import ROOT, Program
from tests.support.redis_server import RedisServer, free_port

pytestmark = [
    pytest.mark.browser,
    pytest.mark.own_server,
    pytest.mark.redis,
    pytest.mark.asyncio(loop_scope="module"),
]

LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
BLOCK = re.compile(r"^```(?:python|html)\n(?:# |<!-- )(\S+)(?: -->)?\n(.*?)^```$", re.M | re.S)
BEFORE, ADDED = (ROOT / "examples/orders/README.md").read_text().split("## What to add")
MOST = 35  # lines to add
# Prints the cookie of a logged-in user with one order.
PREPARE = """
from django.core.management import call_command
call_command("makemigrations", "orders", verbosity=0)
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
from django.test import Client
from orders.models import Order
user = User.objects.create_user("ada")
Order.objects.create(user=user)
client = Client()
client.force_login(user)
print(client.cookies["sessionid"].value)
"""
SAVE = 'from orders.models import Order; o = Order.objects.get(); o.status = "packed"; o.save()'
LOG_OUT = "from django.contrib.sessions.models import Session; Session.objects.all().delete()"


class Project:
    """The project of the example in `folder`, with the session of its user in `cookie`."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.env = {
            "DJANGO_SETTINGS_MODULE": "shop.settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "REDIS_PREFIX": uuid.uuid4().hex,
            "REDIS_URL": redis_url,
        }
        self.python("-m", "django", "startproject", "shop", ".", DJANGO_SETTINGS_MODULE="")
        (folder / "orders/templates").mkdir(parents=True)
        (folder / "orders/__init__.py").touch()
        for name, text in BLOCK.findall(BEFORE) + BLOCK.findall(ADDED):
            with (folder / name).open("a") as file:
                file.write(f"\n{text}")
        self.cookie = self.python("manage.py", "shell", "-v", "0", "-c", PREPARE)

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
    return Project(tmp_path_factory.mktemp("orders"), redis_server.url)


async def test_a_user_sees_each_change(
    project: Project, context: BrowserContext, redis_server: RedisServer
) -> None:
    lines = [line for _, text in BLOCK.findall(ADDED) for line in text.splitlines() if line]
    assert len(lines) <= MOST

    async def manage(*arguments: str) -> None:
        await asyncio.to_thread(project.python, "manage.py", *arguments)

    url = f"http://127.0.0.1:{project.port}/"
    await context.add_cookies([{"name": "sessionid", "value": project.cookie, "url": url}])
    with project.serve():
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
    data = '{"order": 1, "status": "shipped"}'
    await manage("publish", "user-1", "", "--name", "order", "--data", data)  # no server runs
    with project.serve():
        await expect(status).to_have_text("shipped")
        await manage("shell", "-v", "0", "-c", LOG_OUT)
        await tab.wait_for_function("events.readyState === EventSource.CLOSED")
