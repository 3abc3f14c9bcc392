"""Progress and tables of long commands, with and without a terminal."""

from __future__ import annotations

import io
import re
import threading
import time

import pytest
from rich.console import Console

from faults import report
from faults.faults import FAULTS
from faults.run import Outcome, Row
from realtime_demo.progress import progress
from tests.support.waiting import BOUND


def test_without_a_terminal_there_is_a_line_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repeated = threading.Event()

    class Lines(io.StringIO):
        def write(self, text: str) -> int:
            if text.startswith("…"):
                repeated.set()
            return super().write(text)

    monkeypatch.setattr("sys.stderr", lines := Lines())
    with progress(Console(file=io.StringIO()), interval=0.01) as show:
        time.sleep(0.05)  # of a command without a step yet: prints nothing
        show("Starting the servers")
        assert repeated.wait(BOUND)
    assert re.match(r"Starting the servers\n… \d+ s\n", lines.getvalue())


def test_on_a_terminal_the_step_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with progress(Console(file=screen, force_terminal=True)) as show:
        show("[1] Starting")
    assert "[1] Starting" in screen.getvalue()
    assert capsys.readouterr().err == ""


def test_the_table_of_faults_cuts_no_word_on_a_narrow_terminal() -> None:
    row = Row("a", "websocket-sync", 50, 12_345, 12_345, resets=50, uncounted=50, recovery=1.5)
    outcome = Outcome(FAULTS[0], [row], 1, 0, 0, 0, 0, 0)
    screen = io.StringIO()
    report.show([outcome], Console(file=screen, width=60))
    printed = screen.getvalue()
    for word in ("websocket-sync", "12,345", "duplicated", "recovered,", "unknown"):
        assert word in printed
    assert "unknown: a reset did not count the missed events" in printed
