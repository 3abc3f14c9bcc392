"""Worker processes: the parent calls the methods of one object in each.

The publisher and the subscribers have their own processes, so that neither waits for the other's
interpreter or for the screen. The standard library's fork server imports their modules once:
without it, each of a run's fifteen processes would use half a second of a core for the imports.

    async with Worker(Publisher) as publisher:
        await publisher.ask(Publisher.open, "http://127.0.0.1:8000", ...)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from gettext import gettext as _
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from realtime_demo.installation import PACKAGE, use_catalog

STOP_TIMEOUT = 10.0  # seconds until a process that should end is killed
HEADER = 8  # bytes of a message's length
CONTEXT = multiprocessing.get_context("forkserver")
# It must not start threads: a forked process has only the thread that called fork(2).
CONTEXT.set_forkserver_preload([f"{__package__}.load"])

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class WorkerFailed(Exception):
    """A call to a worker process failed with `reason`, or the process ended."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


@contextlib.contextmanager
def package_on_path() -> Iterator[None]:
    """Put this package on PYTHONPATH for the block.

    Python 3.11's fork server, which the first worker starts, does not get this process's sys.path.
    """
    former = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE.parent), former]))
    try:
        yield
    finally:
        if former is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = former


class Worker(Generic[T]):
    """A process that holds a `kind(*args)`, for the block.

    Raises `WorkerFailed` if a method raised, or the process has ended.
    """

    def __init__(self, kind: type[T], *args: object) -> None:
        self.name = f"{kind.__module__}:{kind.__qualname__}"
        self._kind = kind
        self._args = args
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        parent_end, worker_end = socket.socketpair()
        with worker_end, package_on_path():
            process = CONTEXT.Process(target=_work, args=(worker_end, self._kind, self._args))
            process.start()
        self._process, self.pid = process, process.pid or 0
        self._reader, self._writer = await asyncio.open_connection(sock=parent_end)
        try:
            await self._answer("start")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    def dismiss(self) -> None:
        """Request the end of the process; leaving the block waits for it."""
        with contextlib.suppress(OSError):  # the process has closed the connection
            self._writer.write_eof()

    async def __aexit__(self, *_: object) -> None:
        self.dismiss()
        await asyncio.to_thread(self._process.join, STOP_TIMEOUT)
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def ask(
        self, method: Callable[Concatenate[T, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call `method` of the worker's object and return its result."""
        async with self._lock:
            with contextlib.suppress(ConnectionError):
                self._writer.write(_message((method.__name__, args, kwargs)))
                await self._writer.drain()
            answer: R = await self._answer(method.__name__)
            return answer

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


def _message(content: object) -> bytes:
    data = pickle.dumps(content)
    return len(data).to_bytes(HEADER, "big") + data


async def _receive(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(HEADER), "big")
    return pickle.loads(await reader.readexactly(size))


def _work(connection: socket.socket, kind: Callable[..., object], args: tuple[object, ...]) -> None:
    """Run in a worker until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the workers
    # Measured connections take no proxy of the environment; lower case comes first
    # (urllib.request.getproxies_environment).
    os.environ["no_proxy"] = "*"
    use_catalog()
    gc.freeze()  # exclude the shared objects from this worker's garbage collection
    asyncio.run(_serve(connection, kind, args))


async def _serve(
    connection: socket.socket, kind: Callable[..., object], args: tuple[object, ...]
) -> None:
    """Create the object, and call the requested methods."""
    reader, writer = await asyncio.open_connection(sock=connection)
    worker = kind(*args)
    answer: tuple[object, str | None] = (None, None)
    while True:
        writer.write(_message(answer))
        await writer.drain()
        try:
            method, arguments, keywords = await _receive(reader)
        except asyncio.IncompleteReadError:
            return
        try:
            answer = (await getattr(worker, method)(*arguments, **keywords), None)
        except Exception as error:
            answer = (None, f"{type(error).__name__}: {error}")
