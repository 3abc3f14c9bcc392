"""A real server in a process of its own, for tests that speak to it over a socket."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
OURS = "realtime_demo.asgi:application"
LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)/")


class LiveServer:
    """`python -m realtime_demo.server --port 0 [arguments] <application>`, while the block lasts.

    `env` is added to this process's environment. Leaving the block stops the server with
    SIGTERM and raises `AssertionError` if its exit code is not 0, or if the project's own
    application has left a traceback (in an `outage`, libraries may); what it printed is added as
    a note to any exception that leaves the block.
    """

    def __init__(
        self,
        application: str = OURS,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        start_timeout: float = 30,
        stop_timeout: float = 15,
        outage: bool = False,
    ) -> None:
        self.application = application
        self.outage = outage
        self.command = [sys.executable, "-m", "realtime_demo.server", "--port", "0"]
        self.command += [*arguments, application]
        self.env = {**os.environ, **(env or {})}
        self.start_timeout = start_timeout
        self.stop_timeout = stop_timeout

    def __enter__(self) -> Self:
        self._output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        try:
            self.port = self._wait_until_listening()
        except BaseException as exception:
            self.kill()
            self._leave(exception)
            raise
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None:
                returncode = self.stop()
                assert returncode == 0 or exception, f"exit code {returncode}\n{self.output()}"
            if self.application == OURS and exception is None and not self.outage:
                assert "Traceback" not in self.output(), self.output()
        finally:
            self._leave(exception)

    def output(self) -> str:
        """What the server has written to stdout and stderr so far."""
        # pread: the file's offset is shared with the server, which writes there.
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Ask the server to stop and return its exit code; past `stop_timeout` kill it and raise.

        Raises: `subprocess.TimeoutExpired`.
        """
        self.process.send_signal(signal_number)
        try:
            return self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()

    def _wait_until_listening(self) -> int:
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            ended = self.process.poll()
            if found := LISTENING.search(self.output()):
                return int(found[1])
            if ended is not None:
                raise RuntimeError(f"the server ended with exit code {ended} before it listened")
            time.sleep(0.01)
        raise TimeoutError(f"the server does not listen after {self.start_timeout:g} s")

    def _leave(self, exception: BaseException | None) -> None:
        if exception:
            exception.add_note(f"--- {' '.join(self.command)}\n{self.output()}")
        self._output.close()
