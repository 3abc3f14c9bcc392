"""The servers measured, each in a process of its own, and what the process uses."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.machine import bind
from realtime_demo.comparison.host import cpu_seconds

ROOT = Path(__file__).resolve().parent.parent
START = 30.0  # seconds it may take to listen
STOP = 10.0


class ServerFailed(Exception):
    """The server to measure did not start, or has ended."""


@dataclass(frozen=True)
class Program:
    """How to start a server: `python -m <module> <application>`."""

    module: str
    application: str
    settings: str


OURS = Program("realtime_demo.server", "realtime_demo.asgi:application", "realtime_demo.settings")
OURS_ON_DAPHNE = Program("daphne", OURS.application, OURS.settings)
TUTORIAL = Program("daphne", "benchmarks.tutorial.asgi:application", "benchmarks.tutorial.settings")


class Server:
    """A running server: where it listens, and what it uses."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        self._process = psutil.Process(pid)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cpu(self) -> float:
        """CPU time that it has had, user and system, in seconds."""
        fine = cpu_seconds(self.pid)
        if fine is not None:
            return fine
        times = self._process.cpu_times()
        return times.user + times.system

    @property
    def resident(self) -> int:
        """Memory of it that is in RAM, in bytes."""
        return int(self._process.memory_info().rss)

    @property
    def unshared(self) -> int:
        """Memory that would be free without it, in bytes."""
        return int(self._process.memory_full_info().uss)

    @property
    def threads(self) -> int:
        return int(self._process.num_threads())

    async def settled(self, patience: float = 20.0) -> None:
        """Wait until it has nothing left to do: under 3 % of a core, for a third of a second."""
        async with asyncio.timeout(patience):
            before = self.cpu
            while True:
                await asyncio.sleep(1 / 3)
                if self.cpu - before < 0.01:
                    return
                before = self.cpu


@asynccontextmanager
async def running(program: Program, core: int | None = None) -> AsyncIterator[Server]:
    """A server on a free port, bound to `core`, while the block lasts. Raises `ServerFailed`."""
    port = free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": program.settings,
        "DEBUG": "0",
        "PUBLISH_RATE": "0",
    }
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", program.module, "-v", "0"),
            *("-b", "127.0.0.1", "-p", str(port), program.application),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            bind(process.pid, core)
            if not await _listens(process, port):
                output.seek(0)
                said = output.read()[-2000:].decode(errors="replace")
                raise ServerFailed(f"{program.module} {program.application}:\n{said}")
            yield Server(process.pid, port)
        finally:
            await _stop(process)


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    deadline = asyncio.get_running_loop().time() + START
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return True
    return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
