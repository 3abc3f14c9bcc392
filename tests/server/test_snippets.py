"""The Python programs and the requests by curl in the documentation, run as printed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.live import LiveServer
from tests.support.program import ROOT, Program, need
from tests.support.waiting import BOUND
from transports.registry import APPS

pytestmark = [pytest.mark.own_server]

PAGES = [
    *sorted(ROOT.glob("README*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(file for name in APPS for file in ROOT.glob(f"{name}/README*.md")),
]
PROGRAMS = [
    pytest.param(program, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, program in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
]

# Those with a token, of a task and of the demo are in test_publishing.py, test_access.py,
# test_background.py and test_demo_controls.py.
REQUESTS = sorted(
    {
        " ".join(re.sub(r"\\\n|\s#.*$", "", command).split())
        for page in PAGES
        for command in re.findall(r"^\$ (curl (?:.*\\\n)*.*)$", page.read_text(), re.M)
        if not re.search("Authorization|/tasks/|/stage/", command)
    }
)


def at_server(program: str, server: LiveServer, folder: Path) -> list[str]:
    """Return the command that runs the program, with the port of the server in its place."""
    file = folder / "program.py"
    file.write_text(program.replace("8000", str(server.port)))
    return [sys.executable, "-c", f"exec(compile(open({str(file)!r}).read(), 'program', 'exec'))"]


def test_programs_are_found() -> None:
    assert len(PROGRAMS) >= 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_as_printed(
    program: str, memory_live_server: LiveServer, tmp_path: Path
) -> None:
    command = at_server(program, memory_live_server, tmp_path)
    if "async for" not in program:
        subprocess.run(command, cwd=ROOT, check=True, timeout=BOUND)
        return
    event = {"sender": "ada", "text": "안녕, snippet"}
    httpx.post(f"{memory_live_server.url}/publish/lobby/", json=event).raise_for_status()
    printed = re.compile("ada 안녕, snippet")
    with Program(command, printed, {"PYTHONIOENCODING": "utf-8"}, spotless=False):
        pass


def test_requests_are_found() -> None:
    assert len(REQUESTS) >= 10


@pytest.mark.parametrize("request_line", REQUESTS)
def test_a_request_is_answered_as_documented(
    request_line: str, memory_live_server: LiveServer
) -> None:
    need("curl", "curl")
    publish = f"{memory_live_server.url}/publish/lobby/"
    cursor = httpx.post(publish, json={"sender": "ada", "text": "first"}).json()["id"]
    httpx.post(publish, json={"sender": "ada", "text": "second"}).raise_for_status()
    command = shlex.split(
        request_line.replace("8000", str(memory_live_server.port)).replace("<cursor>", cursor)
    )
    expected = json.loads(command[-1])["text"] if command[-1][0] == "{" else "second"
    with Program(command, re.compile(f'"text":"{expected}"'), {}, spotless=False):
        pass
