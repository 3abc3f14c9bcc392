"""The process of supervisord, which ends with the command that started it, and its readiness.

At most one deployment runs in a directory: the command locks the directory, and supervisord
inherits the lock. It is released when both have ended, even if they were killed (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Self
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

import httpx
from django.utils.translation import gettext as _
from supervisor.xmlrpc import SupervisorTransport

from .child import PARENT, end_group
from .configuration import ATTEMPTS, PATIENCE
from .paths import Paths

STARTING, WATCHING = 0.2, 5.0  # seconds between requests: until the first report, and after
READY = 10.0  # seconds until a starting deployment is reported as not ready
STOPPING = 30.0  # seconds until a stopping supervisord is killed: PATIENCE for three groups


class AlreadyRunning(Exception):
    """Another command runs a deployment in this directory, or its processes are still ending."""


@contextmanager
def instance_lock(paths: Paths) -> Iterator[int]:
    """Lock the directory while the block lasts, and yield the lock's descriptor.

    Raise `AlreadyRunning` if it is locked.
    """
    with open(paths.run / "production.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning from error
        yield lock.fileno()


@dataclass
class Supervisord:
    """The process of supervisord with the configuration at `paths`, while the block lasts.

    `names` are its programs, in the order in which they stop. `write` is called with each line
    of their output.
    """

    paths: Paths
    names: Sequence[str]
    password: str
    environment: Mapping[str, str]
    lock: int
    write: Callable[[str], None]

    def __enter__(self) -> Self:
        child = [sys.executable, "-m", "realtime_demo.production.child", str(self.paths.pid_file())]
        daemon = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.paths.supervisor)]
        # stdout is a pipe, not inherited: each program opens /dev/fd/1 again, which fails for a
        # socket, and would overwrite the beginning of a file.
        self.errors = self.paths.directory / "supervisord-errors.log"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [*child, *daemon],
                env={**self.environment, PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
                pass_fds=[self.lock],
                start_new_session=True,  # Ctrl-C reaches the command alone
            )
        threading.Thread(target=self._relay, args=[self.process.stdout], daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for name in self.names:  # still running only if supervisord was killed
            end_group(self.paths.pid_file(name), PATIENCE)

    def problem(self) -> str:
        """Return the reason why the deployment cannot continue; empty if it can."""
        code = self.process.poll()
        if code is not None:
            errors = self.errors.read_text(errors="replace")
            text = _("supervisord ended with {code}. {errors}")
            return text.format(code=code, errors=errors).strip()
        # A new transport each time: after an error, its connection cannot be used.
        transport: Any = SupervisorTransport(
            "production", self.password, f"unix://{self.paths.socket('control')}"
        )
        try:
            with ServerProxy("http://localhost", transport) as supervisord:
                processes: Any = supervisord.supervisor.getAllProcessInfo()
        except (OSError, HTTPException, RpcError):  # not listening yet, or stopping
            return ""
        failed = [process["name"] for process in processes if process["statename"] == "FATAL"]
        if failed:
            text = _("{names} ended {count} times in a row: see above.")
            return text.format(names=", ".join(failed), count=ATTEMPTS)
        return ""

    def _relay(self, output: IO[str]) -> None:
        for line in output:
            self.write(line.rstrip("\n"))


# --- Reports of `/readyz` --------------------------------------------------------------------


def readiness_problem(url: str, tls: ssl.SSLContext) -> str:
    """Return the problem that `/readyz` reports; empty if the deployment is ready."""
    try:
        response = httpx.get(f"{url}readyz", verify=tls, trust_env=False, timeout=10)
    except httpx.TransportError as error:
        return str(error)
    return "" if response.is_success else f"{response.status_code}: {response.text[:300]}"


def report_readiness(
    url: str, certificate: Path, write: Callable[[str], None], stopping: threading.Event
) -> None:
    """Write when the deployment becomes ready, and when it is not, until it is `stopping`."""
    tls = ssl.create_default_context(cafile=certificate)
    reported: str | None = None
    deadline = time.monotonic() + READY
    while not stopping.is_set():
        problem = readiness_problem(url, tls)
        starting = reported is None and time.monotonic() < deadline
        if problem != reported and not (problem and (starting or stopping.is_set())):
            write(f"Not ready: {problem}" if problem else f"Ready: {url}")
            reported = problem
        stopping.wait(STARTING if reported is None else WATCHING)
