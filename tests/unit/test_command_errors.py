"""Errors of the management commands, which name what was expected and what came."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.support.program import ROOT


def test_a_channel_without_a_consumer_is_rejected() -> None:
    with pytest.raises(CommandError, match="must be one of background-tasks; got 'bogus'"):
        call_command("runworker", "bogus")


@pytest.mark.parametrize("text", ["technique,median", "{}", "[]", "7"])
def test_a_file_without_measurements_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text(text)
    with pytest.raises(CommandError, match=r"c\.csv: expected a result of compare"):
        call_command("advise", "--measurements", str(file))


@pytest.mark.parametrize(("secret", "warned"), [("", True), ("a secret", False)])
def test_processes_without_a_common_secret_are_warned(secret: str, warned: bool) -> None:
    environment = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1", "SECRET_KEY": secret}
    loaded = subprocess.run(
        [sys.executable, "-c", "import realtime_demo.asgi"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("SECRET_KEY is not set" in loaded.stderr) == warned
