"""Worker processes: the parent calls the methods of one object in each.

The publisher and the subscribers have their own processes, so that neither waits for the other's
interpreter or for the screen. A fork server imports their modules once: without it, each of a
run's fifteen processes would use half a second of a core to import the same modules.

    async with ForkServer(Publisher) as workers:
        async with workers.worker(Publisher) as publisher:
            await publisher.ask(Publisher.open, "http://127.0.0.1:8000", ...)

The modules imported before the fork must not start threads: a forked process has only the thread
that called fork(2).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable
from gettext import gettext as _
from pathlib import Path
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, Self, TypeVar

from realtime_demo.installation import use_catalog

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_NAME = 1_024  # bytes of a class's name
STOP_TIMEOUT = 10.0  # seconds until a process that should end is killed
HEADER = 8  # bytes of a message's length

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class WorkerFailed(Exception):
    """A call to a worker process failed with `reason`, or the process ended."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class Worker(Generic[T]):
    """A process that holds a `kind(*args)`, for the block.

    `fork(name, handle)` starts it with its end of the connection. Raises `WorkerFailed` if a
    method raised, or the process has ended.
    """

    process: int  # process id

    def __init__(self, fork: Callable[[str, int], None], kind: type[T], *args: object) -> None:
        self.name = f"{kind.__module__}:{kind.__qualname__}"
        self._args = args
        self._fork = fork

    async def __aenter__(self) -> Self:
        parent_end, worker_end = socket.socketpair()
        with worker_end:
            self._fork(self.name, worker_end.fileno())
        self._reader, self._writer = await asyncio.open_connection(sock=parent_end)
        self._lock = asyncio.Lock()
        try:
            self.process = await self._answer("start")
            await self._call("start", *self._args)
        except WorkerFailed:
            await self._close()
            raise
        return self

    def dismiss(self) -> None:
        """Request the end of the process; leaving the block waits for it."""
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                with contextlib.suppress(ConnectionError):
                    self.dismiss()
                    await self._reader.read()  # until the process closes the connection
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
        await self._close()

    async def _close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def ask(
        self, method: Callable[Concatenate[T, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call `method` of the worker's object and return its result."""
        answer: R = await self._call(method.__name__, *args, **kwargs)
        return answer

    async def _call(self, method: str, *args: object, **kwargs: object) -> Any:
        async with self._lock:
            with contextlib.suppress(ConnectionError):
                self._writer.write(_message((method, args, kwargs)))
                await self._writer.drain()
            return await self._answer(method)

    async def _answer(self, method: str) -> Any:
        try:
            answer, error = await _receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError):
            text = _("{name} ended during {method}().")
            raise WorkerFailed(text.format(name=self.name, method=method)) from None
        if error is not None:
            text = _("{name}.{method}() failed: {error}")
            raise WorkerFailed(text.format(name=self.name, method=method, error=error), error)
        return answer


class ForkServer:
    """A process that imports the modules of `kinds` and forks workers, for the block."""

    def __init__(self, *kinds: type) -> None:
        self._modules = {kind.__module__ for kind in kinds}

    async def __aenter__(self) -> Self:
        self._control, server_end = socket.socketpair()
        python_path = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
        with server_end:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__, str(server_end.fileno()), *self._modules),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[server_end.fileno()],
                cwd=ROOT,
                # Measured connections take no proxy of the environment; lower case comes first
                # (urllib.request.getproxies_environment).
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(python_path),
                    "no_proxy": "*",
                },
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._control.close()  # the fork server ends when its input does
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def worker(self, kind: type[T], *args: object) -> Worker[T]:
        """Return a worker; entering its block starts the process with a `kind(*args)`."""
        return Worker(self._fork, kind, *args)

    def _fork(self, name: str, handle: int) -> None:
        """Start a worker with `handle` as its end of the connection. Raises `OSError`."""
        socket.send_fds(self._control, [name.encode()], [handle])


def _message(content: object) -> bytes:
    data = pickle.dumps(content)
    return len(data).to_bytes(HEADER, "big") + data


async def _receive(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(HEADER), "big")
    return pickle.loads(await reader.readexactly(size))


async def _serve(connection: socket.socket, kind: Callable[..., object]) -> None:
    """Run in a worker: send the process id, create the object, and call the requested methods.

    Ends when the parent closes the connection.
    """
    reader, writer = await asyncio.open_connection(sock=connection)
    answer: tuple[object, str | None] = (os.getpid(), None)
    worker: object = None
    while True:
        writer.write(_message(answer))
        await writer.drain()
        try:
            method, args, kwargs = await _receive(reader)
        except asyncio.IncompleteReadError:
            return
        try:
            if worker is None:
                worker, answer = kind(*args), (None, None)
            else:
                answer = (await getattr(worker, method)(*args, **kwargs), None)
        except Exception as error:
            answer = (None, f"{type(error).__name__}: {error}")


def _work(name: str, connection: socket.socket) -> NoReturn:
    """Run as a worker until the connection ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    module, _, kind = name.partition(":")
    try:
        asyncio.run(_serve(connection, getattr(importlib.import_module(module), kind)))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # skip the cleanup of imported modules in every worker


def _serve_forks(control: socket.socket) -> None:
    """Run in the fork server: start a worker for each class name that arrives with a socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the fork server
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the workers
    while True:
        # Data sent with a file descriptor is never merged with later data (unix(7)).
        name, handles, _, _ = socket.recv_fds(control, LONGEST_NAME, 1)
        if not name:
            return
        with socket.socket(fileno=handles[0]) as connection:
            if os.fork() == 0:
                control.close()
                _work(name.decode(), connection)


if __name__ == "__main__":
    use_catalog()
    for imported in sys.argv[2:]:
        importlib.import_module(imported)
    gc.freeze()  # exclude the shared objects from every worker's garbage collection
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        _serve_forks(inherited)
