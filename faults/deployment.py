"""A deployment by `manage.py production`, and a Redis that can be stopped and started."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis

from realtime_demo.ports import free_port
from realtime_demo.production import configuration, programs
from realtime_demo.production.paths import Paths

from .cluster import Cluster
from .failover import Failover

ROOT = Path(__file__).resolve().parent.parent
START, STOP = 90.0, 30.0  # seconds
MIB = 1 << 20
STAFF = "feed"  # a user who may start tasks and enter rooms for staff


class NotStarted(Exception):
    """A process of the deployment did not start; the message is its output."""


class Redis:
    """redis-server as `manage.py production` configures it, with its append-only file."""

    def __init__(self, paths: Paths) -> None:
        self.path = paths.socket("redis")
        self.url = f"unix://{self.path}?db=0"
        self.configuration = paths.redis_conf
        self.configuration.write_text(configuration.redis(paths))
        self.client = redis.Redis(unix_socket_path=str(self.path), socket_timeout=5)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start redis-server; return once it answers. Raises `NotStarted`."""
        self.process = subprocess.Popen(
            [programs.redis_server(), str(self.configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START
        while True:
            try:
                self.client.ping()
                return
            except redis.RedisError as error:  # not listening yet, or loading its file
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise NotStarted(f"redis-server: {error}") from error
                time.sleep(0.01)

    def end(self, number: int) -> None:
        """Send the signal `number`, and wait until the process has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(STOP)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def close(self) -> None:
        self.client.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.end(signal.SIGTERM)


class Deployment:
    """nginx, servers, workers and Redis, in `directory`, for the block.

    `env` is added to the environment of the processes. `replicated`: Redis is a master with a
    replica, which clients find through Sentinels. `clustered`: it is three of each, a cluster.
    """

    def __init__(
        self,
        directory: Path,
        *,
        servers: int = 2,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        replicated: bool = False,
        clustered: bool = False,
    ) -> None:
        port, metrics_port = free_port(), free_port()
        self.paths = Paths(directory, port=port, metrics_port=metrics_port, servers=servers)
        self.paths.make_directories()
        self.redis = Redis(self.paths)
        self.failover = Failover(directory / "failover") if replicated else None
        self.cluster = Cluster(directory / "cluster") if clustered else None
        self._store = self.cluster or self.failover or self.redis
        self._staff: dict[str, str] = {}
        self.url = f"https://localhost:{port}"
        self.metrics_url = f"http://127.0.0.1:{metrics_port}"
        self.log = directory / "output.log"
        self.command = [sys.executable, "manage.py", "production", "--directory", str(directory)]
        self.command += ["--port", str(port), "--metrics-port", str(metrics_port)]
        self.command += ["--servers", str(servers), "--workers", str(workers)]
        self.env = {
            **os.environ,
            "DATABASE_PATH": "",
            "DATABASE_URL": "",
            "PYTHONUNBUFFERED": "1",
            "REDIS_URL": self._store.url,
            **(env or {}),
        }

    def __enter__(self) -> Self:
        self._store.start()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            with self.log.open("wb") as output:
                self.process = subprocess.Popen(
                    self.command,
                    cwd=ROOT,
                    env=self.env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            self._wait_until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                self.process.wait(STOP)
        finally:
            if self.process is not None:
                self.process.kill()
            self._store.close()

    def output(self) -> str:
        """Return the output of the processes so far."""
        return self.log.read_text(errors="replace")

    def staff(self) -> dict[str, str]:
        """Return request headers with a staff user's token; create the user on the first call."""
        if self._staff:
            return self._staff
        environment = {
            **self.env,
            **self.paths.environment(),
            "DATABASE_PATH": str(self.paths.directory / "db.sqlite3"),
            "DJANGO_SUPERUSER_PASSWORD": secrets.token_urlsafe(),
        }
        token = ""
        for arguments in (
            ["createsuperuser", "--no-input", "--username", STAFF, "--email", "staff@localhost"],
            ["token", "issue", STAFF],
        ):
            command = [sys.executable, "manage.py", *arguments]
            token = subprocess.run(
                command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
            ).stdout
        self._staff = {"Authorization": f"Bearer {token.strip()}"}
        return self._staff

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START
        while f"Ready: {self.url}/" not in self.output():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise NotStarted(self.output()[-4000:])
            time.sleep(0.05)

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Return the processes by part: `server-0` …, `worker`, `nginx` (master first), `redis`."""
        parts: dict[str, list[psutil.Process]] = {
            name: [] for name in (*self.paths.names, "worker", "nginx", "redis")
        }
        if self.redis.process is not None and self.redis.process.poll() is None:
            parts["redis"].append(psutil.Process(self.redis.process.pid))
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                command = " ".join(process.cmdline())
            except psutil.Error:  # the process has just ended
                continue
            part = self._part(command)
            if part:
                parts[part].append(process)
        return parts

    def _part(self, command: str) -> str:
        if "production.child" in command:  # before it executes the program
            return ""
        if "runworker" in command:
            return "worker"
        if "nginx: " in command:
            return "nginx"
        for name in self.paths.names:
            if f"{name}.sock" in command:
                return name
        return ""
