"""A real Redis server in a process of its own, on a free port."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from typing import Self

import redis

from realtime_demo.ports import free_port
from realtime_demo.production import programs

from .program import available
from .waiting import BOUND


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

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.resume()
        self.stop()
        self.directory.cleanup()

    def start(self) -> None:
        address = ["--port", str(self.port), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(
            [available(programs.redis_server), *address, "--save", "", *self.arguments],
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
