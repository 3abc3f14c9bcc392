"""Worker processes by forking: what they need is imported once, before the first of them.

Started by itself, each would take half a second of a core to import the same modules, and a run
has fifteen of them. They are still processes of their own, with their own place on the machine.

    async with ForkServer("realtime_demo.comparison.publisher") as workers:
        async with workers.child("realtime_demo.comparison.publisher") as load:
            await load.ask("open", ...)

A worker is a module with `commands()`, which names what its process can be asked. What is imported
before the fork must start no thread, since a fork has only the thread that called it.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn, Self

from . import workers as child

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_NAME = 1_024  # bytes of a module's
PATIENCE = 10.0  # seconds it has to end


class ForkServer:
    """A process that has imported `modules`, and forks workers, while the block lasts."""

    def __init__(self, *modules: str) -> None:
        self.modules = modules

    async def __aenter__(self) -> Self:
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__, str(theirs.fileno()), *self.modules),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._control.close()  # it ends at the end of its input
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def child(self, module: str) -> child.Child:
        """A worker that does what `module` can, once its block is entered."""
        return child.Child(module, self._fork)

    def _fork(self, module: str, handle: int) -> None:
        """Have a worker made, whose end of its connection is `handle`. Raises `OSError`."""
        socket.send_fds(self._control, [module.encode()], [handle])


def serve(control: socket.socket) -> None:
    """In the fork server: a worker for each module's name that comes with a socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells when it is over
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the workers
    while True:
        # Data that came with a handle are never joined to what comes behind them (unix(7)).
        module, handles, _, _ = socket.recv_fds(control, LONGEST_NAME, 1)
        if not module:
            return
        with socket.socket(fileno=handles[0]) as connection:
            if os.fork() == 0:
                control.close()
                _work(module.decode(), connection)


def _work(module: str, connection: socket.socket) -> NoReturn:
    """Be a worker, until its connection ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        asyncio.run(child.serve(connection, importlib.import_module(module).commands()))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # what was imported needs no tidying up in every worker


if __name__ == "__main__":
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.freeze()  # no worker has to look through what all of them share
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        serve(inherited)
