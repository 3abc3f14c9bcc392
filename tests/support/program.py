"""A program of ours in a process of its own: what it prints, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.02  # seconds between two looks


class Program:
    """`command`, while the block lasts; `env` is added to this process's environment.

    Entering returns once it has printed what `ready` matches, and raises `AssertionError` if it
    ends before, or has not after `start` seconds. Leaving ends it with `signal_number` and raises
    `AssertionError` if it ends otherwise than by exit code 0 or that signal, or, being `spotless`,
    if it has left a traceback. What it printed is added as a note to any exception that leaves the
    block.
    """

    def __init__(
        self,
        command: list[str],
        ready: re.Pattern[str] | None,
        env: Mapping[str, str],
        *,
        signal_number: int = signal.SIGINT,
        start: float = 60,
        stop: float = 60,
        spotless: bool = True,
        folder: Path = ROOT,
    ) -> None:
        self.command = command
        self.ready = ready
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        self.signal_number = signal_number
        self.start_timeout = start
        self.stop_timeout = stop
        self.spotless = spotless
        self.folder = folder

    def __enter__(self) -> Self:
        self._output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        try:
            self.wait_until_ready()
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def wait_until_ready(self) -> None:
        """Return once it has printed what `ready` matches."""
        assert self.ready is not None
        self.started(self.wait_for(self.ready))

    def started(self, said: re.Match[str]) -> None:
        """It has said that it is ready."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None:
                code = self.stop(self.signal_number)
                # Uvicorn ends by the signal that it was sent, once it has stopped in order.
                assert code in (0, -self.signal_number) or error, (
                    f"exit code {code}\n{self.output()}"
                )
            if self.spotless and error is None:
                assert "Traceback" not in self.output(), self.output()
        finally:
            self._leave(error)

    def output(self) -> str:
        """What it has written to stdout and stderr so far."""
        # pread: the file's offset is shared with the process, which writes there.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """The first match in what it prints, within `start_timeout` seconds."""
        deadline = time.monotonic() + self.start_timeout
        while True:
            code = self.process.poll()  # asked first: what it said last counts
            if found := pattern.search(self.output()):
                return found
            late = time.monotonic() > deadline
            if late or code is not None:
                raise AssertionError(f"it did not say {pattern.pattern!r}; exit code {code}")
            time.sleep(PAUSE)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code; past `stop_timeout` seconds kill it and raise.

        Raises: `subprocess.TimeoutExpired`.
        """
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def _leave(self, error: BaseException | None) -> None:
        self.kill()
        if error:
            error.add_note(f"--- {' '.join(self.command)}\n{self.output()}")
        self._output.close()
