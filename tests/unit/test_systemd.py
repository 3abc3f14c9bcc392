"""The units of deploy/systemd, checked by systemd itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import ROOT

VERIFIER = shutil.which("systemd-analyze")
INSTALLED = "/opt/realtime-demo/.venv/bin/python"
UNITS = ["realtime-server@0.service", "realtime-worker.service", "realtime-demo.target"]


def errors_of(folder: Path) -> str:
    """Return systemd's errors about the units in `folder`."""
    assert VERIFIER is not None
    command = [VERIFIER, "verify", "--man=no", *UNITS]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return completed.stderr + completed.stdout


@pytest.mark.own_server
@pytest.mark.skipif(VERIFIER is None, reason="systemd-analyze is missing: it comes with systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in (ROOT / "deploy" / "systemd").glob("realtime-*"):
        text = unit.read_text().replace(INSTALLED, sys.executable)
        (tmp_path / unit.name).write_text(text)
    assert errors_of(tmp_path) == ""
    worker = tmp_path / "realtime-worker.service"
    worker.write_text(worker.read_text().replace("Restart=always", "Restart=sometimes"))
    assert "sometimes" in errors_of(tmp_path), "an error is reported"
