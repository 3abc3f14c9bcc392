"""The measured servers, each in its own processes, and their use of CPU and memory."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import psutil

from benchmarks.peers.environment import python as peers_python
from realtime_demo.asgi_servers import SERVERS, command
from realtime_demo.comparison.host import cpu_seconds
from realtime_demo.comparison.server import server_process
from realtime_demo.ports import free_port


@dataclass(frozen=True)
class Program:
    """An application on an ASGI server. `command` is called with the port to listen on."""

    server: str
    command: Callable[[int], list[str]]


def _ours(server: str) -> Program:
    return Program(server, lambda port: command(server, port=port))


def _daphne(application: str, python: Callable[[], str]) -> Program:
    options = ["-m", "daphne", "-v", "0", "-p"]
    return Program("daphne", lambda port: [python(), *options, str(port), application])


def _uvicorn(application: str, python: Callable[[], str]) -> Program:
    options = ["-m", "uvicorn", "--log-level", "warning", "--port"]
    return Program("uvicorn", lambda port: [python(), *options, str(port), application])


OURS = {server: _ours(server) for server in SERVERS}
TUTORIAL = _daphne("benchmarks.tutorial:application", lambda: sys.executable)
_EVENTSTREAM = "benchmarks.peers.eventstream:application"
EVENTSTREAM = {
    "daphne": _daphne(_EVENTSTREAM, peers_python),
    "uvicorn": _uvicorn(_EVENTSTREAM, peers_python),
}
SOCKET_IO = _uvicorn("benchmarks.peers.socket_io:application", peers_python)


class Server:
    """A running server: its address, and the resources of all its processes."""

    def __init__(self, pid: int, port: int) -> None:
        self.port = port
        process = psutil.Process(pid)
        self._processes = [process, *process.children(recursive=True)]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def cpu(self) -> float:
        """User and system CPU time so far, in seconds."""
        return sum(map(_cpu, self._processes))

    @property
    def resident(self) -> int:
        """Resident memory, in bytes."""
        return sum(int(process.memory_info().rss) for process in self._processes)

    @property
    def unshared(self) -> int:
        """Memory that the server does not share with other processes (USS), in bytes."""
        return sum(int(process.memory_full_info().uss) for process in self._processes)

    @property
    def threads(self) -> int:
        return sum(int(process.num_threads()) for process in self._processes)

    async def settled(self, patience: float = 20.0) -> None:
        """Wait until the server is idle: under 3 % of a core for a third of a second."""
        async with asyncio.timeout(patience):
            before = self.cpu
            while True:
                await asyncio.sleep(1 / 3)
                if self.cpu - before < 0.01:
                    return
                before = self.cpu


def _cpu(process: psutil.Process) -> float:
    seconds = cpu_seconds(process.pid)
    return float(sum(process.cpu_times()[:2])) if seconds is None else seconds


@asynccontextmanager
async def running(program: Program, core: int | None = None) -> AsyncIterator[Server]:
    """Run a server on a free port, bound to `core`, for the block. Raises `ServerFailed`."""
    port = free_port()
    ours = "realtime_demo.settings"  # the others have their own
    environment = {"DJANGO_SETTINGS_MODULE": ours, "DEBUG": "0", "PUBLISH_RATE": "0"}
    forked = partial(bind, core=core)
    async with server_process(program.command(port), port, environment, forked) as pid:
        yield Server(pid, port)


def cores() -> tuple[int | None, int | None]:
    """Return a core for the server and one for the load; None if processes cannot be bound."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    return (available[-1], available[0]) if len(available) > 1 else (None, None)


def bind(pid: int, core: int | None) -> None:
    """Bind the process (0: this one) to `core`."""
    if core is not None:
        os.sched_setaffinity(pid, {core})
