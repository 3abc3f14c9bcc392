"""`manage.py production` in a process of its own, on free ports."""

from __future__ import annotations

import re
import ssl
import sys
from pathlib import Path

import psutil

from realtime_demo.ports import free_port
from realtime_demo.production import programs

from .program import Program, available

STOP = 30.0  # seconds


class Production(Program):
    """A running nginx, servers, a worker and Redis, while the block lasts; stopped as by Ctrl-C."""

    def __init__(self, directory: Path, *arguments: str, servers: int = 2) -> None:
        available(programs.nginx)
        self.directory = directory
        self.port, self.metrics_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.metrics_url = f"http://127.0.0.1:{self.metrics_port}"
        command = [sys.executable, "manage.py", "production"]
        command += ["--port", str(self.port), "--metrics-port", str(self.metrics_port)]
        command += ["--servers", str(servers), "--directory", str(directory), *arguments]
        super().__init__(
            command,
            re.compile(re.escape(f"Ready: {self.url}/")),
            {"REDIS_URL": "", "DATABASE_PATH": ""},
            stop=STOP,
            spotless=False,  # parts of it are killed
        )

    def started(self, match: re.Match[str]) -> None:
        self.tls = ssl.create_default_context(cafile=str(self.directory / "certificate.pem"))

    def processes(self, *words: str) -> list[psutil.Process]:
        """Return the processes whose command has all of `words`, except those still to exec it."""
        matching = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                command = " ".join(process.cmdline())
            except psutil.Error:  # it has just ended
                continue
            if all(word in command for word in words) and "production.child" not in command:
                matching.append(process)
        return matching
