"""Programs in processes of their own, with their output and exit codes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import httpx
import pytest

from realtime_demo.production import programs

from .waiting import BOUND

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.02  # seconds between two checks


def missing(message: str) -> NoReturn:
    """Skip the test, since what `message` names is missing; in CI, fail it."""
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def available(find: Callable[[], str]) -> str:
    """Return the program that `find` finds; without it, skip the test, or in CI fail it."""
    try:
        return find()
    except programs.Missing as error:
        missing(str(error))


def need(command: str, package: str) -> str:
    """Return the path of a command; without it, skip the test, or in CI fail it."""
    path = shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        missing(f"{command} is missing; to install it: apt-get install {package}")
    return path


def run_python(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    exit_code: int | None = 0,
    seconds: float = BOUND,
) -> subprocess.CompletedProcess[str]:
    """Run Python, with `env` added to this process's environment.

    It must end with `exit_code`; None allows any.
    """
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert exit_code in (None, completed.returncode), completed.stdout + completed.stderr
    return completed


def tracked_files(*patterns: str) -> list[str]:
    """Return the names of the files in the repository that match one of the patterns."""
    command = ["git", "ls-files", "--", *patterns]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return listing.stdout.splitlines()


class Program:
    """A process of `command`, while the block lasts; `env` is added to this process's environment.

    Entering waits until the output matches `ready`, and raises `AssertionError` if the process ends
    first, or after `start` seconds. Leaving ends the process with `signal_number`, and raises
    `AssertionError` if the exit code is not in `exit_codes`. With `spotless`, a traceback in the
    output raises it too. The output is added as a note to any exception that leaves the block.
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
        # After an orderly stop, Uvicorn ends itself with the signal that it received.
        self.exit_codes: tuple[int, ...] = (0, -signal_number)
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
        """Return once the output matches `ready`."""
        assert self.ready is not None
        self.started(self.wait_for(self.ready))

    def started(self, match: re.Match[str]) -> None:
        """Handle the match of `ready` in the output."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None:
                exit_code = self.stop(self.signal_number)
                assert exit_code in self.exit_codes or error, (
                    f"exit code {exit_code}\n{self.output()}"
                )
            if self.spotless and error is None:
                assert "Traceback" not in self.output(), self.output()
        finally:
            self._leave(error)

    def output(self) -> str:
        """Return the process's output on stdout and stderr so far."""
        # pread: the file's offset is shared with the process, which writes there.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Return the first match in the output, within `start_timeout` seconds."""
        deadline = time.monotonic() + self.start_timeout
        while True:
            code = self.process.poll()  # read first: output before the exit counts
            if match := pattern.search(self.output()):
                return match
            late = time.monotonic() > deadline
            if late or code is not None:
                raise AssertionError(f"no output matches {pattern.pattern!r}; exit code {code}")
            time.sleep(PAUSE)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop the process and return its exit code.

        After `stop_timeout` seconds, kill it and raise `subprocess.TimeoutExpired`.
        """
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def _leave(self, error: BaseException | None) -> None:
        self.kill()
        if error:
            error.add_note(f"--- {' '.join(self.command)}\n{self.output()}")
        self._output.close()


class HttpProgram(Program):
    """A program that is ready once `url` sends a response, of any status.

    With `verify` the requests check the certificate by it; without, they accept any certificate.
    """

    url: str
    verify: ssl.SSLContext | None = None

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        with httpx.Client(trust_env=False, timeout=2, verify=self.verify or False) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    client.get(f"{self.url}/healthz")
                    return
                except httpx.TransportError:
                    time.sleep(PAUSE)
        raise AssertionError(f"no response from {self.url}; exit code {self.process.poll()}")
