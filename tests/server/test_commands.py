"""Commands of the Makefile and the docs, without DJANGO_SETTINGS_MODULE."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support.program import ROOT

TEXTS = [
    path.read_text()
    for path in (ROOT / "Makefile", *ROOT.glob("*.md"), *ROOT.glob("docs/*"))
    if path.is_file()
]
NAMES = {name for text in TEXTS for name in re.findall(r"python -m ([a-z_]+(?:\.[a-z_]+)*)", text)}
OURS = sorted(name for name in NAMES if (ROOT / name.partition(".")[0]).is_dir())


def test_documented_commands_are_found() -> None:
    assert {"benchmarks", "faults", "faults.soak", "tests.tools.frames"} <= set(OURS)


@pytest.mark.parametrize("module", OURS)
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
