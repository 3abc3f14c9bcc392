"""`manage.py production`, as it is started by hand, on free ports."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from realtime_demo.production import programs

from .live import ROOT
from .redis_server import free_port, missing

START, STOP = 60.0, 30.0  # seconds


class Production:
    """nginx, servers, a worker and Redis, while the block lasts."""

    def __init__(self, directory: Path, servers: int = 2) -> None:
        try:
            programs.nginx()
        except programs.Missing as error:
            missing("nginx", str(error))
        self.directory = directory
        self.port, self.metrics_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.metrics_url = f"http://127.0.0.1:{self.metrics_port}"
        self.command = [sys.executable, "manage.py", "production"]
        self.command += ["--port", str(self.port), "--metrics-port", str(self.metrics_port)]
        self.command += ["--servers", str(servers), "--directory", str(directory)]

    def __enter__(self) -> Self:
        self._output = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": "", "DATABASE_PATH": "", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        try:
            self.wait_for(f"Ready: {self.url}/")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        self.tls = ssl.create_default_context(cafile=str(self.directory / "certificate.pem"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP)
        finally:
            if error:
                error.add_note(self.output())
            self.process.kill()
            self._output.close()

    def output(self) -> str:
        descriptor = self._output.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> None:
        """Return once the output has `text` so many times."""
        deadline = time.monotonic() + START
        while self.output().count(text) < times:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it did not say {text!r}")
            time.sleep(0.05)

    def processes(self, *words: str) -> list[psutil.Process]:
        """Its processes whose command has all of `words`; keepers and shells are not among them."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                command = " ".join(process.cmdline())
            except psutil.Error:  # it has just ended
                continue
            if all(word in command for word in words) and "production.keep" not in command:
                found.append(process)
        return found
