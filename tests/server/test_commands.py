"""Every command of the Makefile and the docs begins, from a shell that knows nothing of Django."""

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
    """It says how it is used, or is imported at least; what it does has tests of its own."""
    begin = ["-c", f"import {module}"] if module.startswith("tests.") else ["-m", module, "--help"]
    ran = subprocess.run(
        [sys.executable, *begin],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
