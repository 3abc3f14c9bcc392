"""Commands of the Makefile and the docs: each is found, and accepts the arguments as printed.

The chapters' commands run in test_chapters.py, those of the notes in test_notes.py.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import httpx
import pytest
from django.core.management import get_commands, load_command_class

from tests.support.live import LiveServer
from tests.support.program import ROOT
from tests.support.waiting import BOUND

PAGES = subprocess.run(
    ["git", "ls-files", "*.md", ":!*.ko.md"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.splitlines()
MAKEFILE = (ROOT / "Makefile").read_text()
# The program of each target that passes ARGS on: `make bench` runs `python -m benchmarks`.
TARGETS = dict(
    re.findall(
        r"^([a-z-]+):.*\n\t@.*/python (manage\.py \w+|-m [\w.]+).* \$\(ARGS\)",
        MAKEFILE,
        re.MULTILINE,
    )
)
TEXT = "\n".join([MAKEFILE, *((ROOT / page).read_text() for page in PAGES)])
NAMES = set(re.findall(r"python -m ([a-z_]+(?:\.[a-z_]+)*)", TEXT))
# Requests that need a token, a task or the demo: test_access.py, test_background.py and
# test_demo_controls.py send them.
ELSEWHERE = re.compile(r"Bearer|/tasks/|/stage/")


def commands(page: str) -> list[str]:
    """Return the commands in the page's console blocks, without comments."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", (ROOT / page).read_text(), re.M | re.S)
    text = "\n".join(blocks).replace("\\\n", " ")
    lines = [line.split("  #")[0] for line in re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)]
    return [part.strip() for line in lines for part in line.split(" && ")]


PRINTED = sorted({command for page in PAGES for command in commands(page)})


def expanded(command: str) -> list[str]:
    """Return the words of a command; for a target of the Makefile, those of its program."""
    words = shlex.split(command)
    if "make" in words:
        target = words[words.index("make") + 1]
        arguments = [w.partition("=")[2] for w in words if w.startswith(("URL=", "ARGS="))]
        words = ["python", *shlex.split(" ".join([TARGETS.get(target, ""), *arguments]))]
    return words


def options_by_module() -> dict[str, set[str]]:
    """Return the options with which the docs run each of the project's modules."""
    options: dict[str, set[str]] = {name: set() for name in NAMES}
    for words in map(expanded, PRINTED):
        if "-m" in words:
            name, *arguments = words[words.index("-m") + 1 :]
            given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
            options.setdefault(name, set()).update(given)
    return {name: each for name, each in options.items() if _is_ours(name)}


def _is_ours(name: str) -> bool:
    return (ROOT / name.partition(".")[0]).is_dir()


MODULES = options_by_module()


def test_documented_commands_are_found() -> None:
    assert {"benchmarks", "faults", "faults.soak", "tests.tools.frames"} <= set(MODULES)
    assert MODULES["benchmarks"] >= {"--only", "--quick", "--json", "--publish"}
    assert len(PRINTED) >= 100


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_documented_command_starts(module: str) -> None:
    """Run `--help`, or import the module: other tests cover its function."""
    arguments = ["-m", module, "--help"]
    if module.startswith("tests."):
        arguments = ["-c", f"import {module}"]
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    if "--help" in arguments:
        assert all(option in completed.stdout for option in MODULES[module])


def test_management_commands_accept_the_printed_arguments() -> None:
    parsed = set()
    for words in map(expanded, PRINTED):
        while words and not re.search(r"manage\.py$|^realtime-demo$", words.pop(0)):
            pass
        if not words:
            continue
        name, *arguments = words
        command = load_command_class(get_commands()[name], name)
        command.create_parser("manage.py", name).parse_args(arguments)  # raises CommandError
        parsed.add(name)
    assert parsed >= {"advise", "compare", "demo", "doctor", "exercise", "notes", "token"}


def test_printed_requests_are_answered(memory_live_server: LiveServer) -> None:
    if shutil.which("curl") is None:
        message = "curl is not installed; 'apt-get install curl' installs it."
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    event = {"sender": "ada", "text": "hi"}
    publish = f"{memory_live_server.url}/publish/lobby/"
    cursor = httpx.post(publish, json=event).json()["id"]
    httpx.post(publish, json=event).raise_for_status()
    requests = [
        command
        for command in PRINTED
        if command.startswith("curl ") and ":8001" not in command and not ELSEWHERE.search(command)
    ]
    assert len(requests) >= 10
    for request in requests:
        local = re.sub(
            r"(?:http://)?(?:localhost|127\.0\.0\.1):8000", memory_live_server.url, request
        )
        words = shlex.split(local.replace("<cursor>", cursor))
        is_stream = "/streaming/" in request
        bound = "1" if is_stream else str(BOUND)
        run = subprocess.run(
            [*words, "--silent", "--fail", "--max-time", bound], capture_output=True, text=True
        )
        timed_out = 28  # curl's exit code for --max-time
        assert run.returncode == (timed_out if is_stream else 0), request
        assert '"sender":"ada"' in run.stdout, request
