"""The Python programs in the documentation, run as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.live import LiveServer
from tests.support.program import ROOT, Program
from tests.support.waiting import BOUND

pytestmark = [pytest.mark.own_server]

PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = [
    pytest.param(program, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, program in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
]


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
