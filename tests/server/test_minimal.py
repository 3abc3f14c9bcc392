"""`examples/minimal` on stock Uvicorn: every technique, without `realtime_demo`."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.contract.feeds import collect, publish
from tests.support.program import ROOT, Program, run_python
from tests.support.waiting import BOUND
from transports.registry import TECHNIQUES, Technique

LISTENING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
COMMAND = [sys.executable, "-m", "uvicorn", "--port", "0", "--timeout-graceful-shutdown", "1"]
ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "examples.minimal.settings"}

NEEDED = """
import sys, django, {app}.routing
from pathlib import Path
from transports.store import memory
files = {{name: Path(sys.modules[name].__file__) for name in sys.modules
         if name.partition(".")[0] == "transports"}}
lines = {{name: len(file.read_text().splitlines()) for name, file in files.items()}}
others = sys.modules.keys() & {{"redis", "realtime_demo", "prometheus_client"}}
print(sum(lines.values()), sum(map(bool, lines.values())), *others)
"""

# Publishes and receives with each technique, without a server, while no library can be imported but
# those that `pip install realtime-demo` installs without extras.
SERVED_ALONE = """
import asyncio, json, sys
from importlib.metadata import packages_distributions

# `pip wheel .` leaves the project's own metadata in the clone.
NEEDED = {"Django", "channels", "asgiref", "sqlparse", "realtime-demo"}
INSTALLED = {name for name, owners in packages_distributions().items() if not NEEDED & {*owners}}

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in INSTALLED:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Finder())
from asgiref.testing import ApplicationCommunicator
from examples.minimal.asgi import application
from transports.registry import TECHNIQUES

async def received(path, kind="http", method="GET", body=b""):
    headers = [(b"host", b"localhost")]
    if body:
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope = {"type": kind, "method": method, "path": path, "query_string": b"", "subprotocols": [],
             "headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80),
             "scheme": kind, "http_version": "1.1"}
    client = ApplicationCommunicator(application, scope)
    request = {"type": "http.request", "body": body, "more_body": False}
    await client.send_input(request if kind == "http" else {"type": "websocket.connect"})
    message = {}
    while b"hello" not in message.get("body", b"") and "hello" not in message.get("text", ""):
        message = await client.receive_output(30)
    await client.send_input({"type": f"{kind}.disconnect", "code": 1000})
    await client.wait(30)

async def main():
    event = json.dumps({"sender": "ada", "text": "hello"}).encode()
    await received("/publish/lobby/", method="POST", body=event)
    for technique in TECHNIQUES:
        kind = "http" if technique.scheme == "http" else "websocket"
        await received(technique.url_path("lobby"), kind)
        print(technique.name)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def minimal_url() -> Iterator[str]:
    command = [*COMMAND, "examples.minimal.asgi:application"]
    with Program(command, LISTENING, ENVIRONMENT, signal_number=signal.SIGINT) as server:
        yield server.wait_for(LISTENING)[1]


def test_a_project_is_sixty_lines() -> None:
    files = (ROOT / "examples/minimal").glob("*")
    assert sum(len(file.read_text().splitlines()) for file in files if file.is_file()) <= 60


async def test_each_technique_delivers_events(
    technique: Technique, minimal_url: str, room: str
) -> None:
    async with httpx.AsyncClient(base_url=minimal_url, timeout=BOUND) as http:
        published = await publish(http, room, ["one", "two"])
        assert await collect(technique, minimal_url, room, count=2) == published


def test_every_technique_serves_with_django_and_channels_alone() -> None:
    served = run_python("-c", SERVED_ALONE, env=ENVIRONMENT).stdout.split()
    assert served == [technique.name for technique in TECHNIQUES]


def test_polling_needs_ten_modules_and_no_library() -> None:
    """Count the modules of `transports` that polling imports, and the optional libraries."""
    completed = run_python("-c", NEEDED.format(app="polling"), env=ENVIRONMENT)
    lines, modules, *others = completed.stdout.split()
    assert (int(lines) <= 1_200, int(modules) <= 10, others) == (True, True, []), completed.stdout
