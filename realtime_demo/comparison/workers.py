"""Worker processes: a parent asks, a child answers, a JSON document a line.

The publisher and the subscribers are processes of their own, so that neither waits for the
other's Python, nor for the table on the screen. `fork_server` makes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

LONGEST_LINE = 2**30  # bytes: all samples of a run come in one answer
PATIENCE = 10.0  # seconds a child has to end by itself

Command = Callable[..., Awaitable[Any]]


class ChildFailed(Exception):
    """A worker process could not do what it was asked."""


class Child:
    """A worker process, while the block lasts: `await child.ask("run", room="lobby")`.

    `make(module, handle)` has it made, with its end of the connection. Raises `ChildFailed` where
    a command raised, or the process has ended.
    """

    def __init__(self, module: str, make: Callable[[str, int], None]) -> None:
        self.module = module
        self._make = make

    async def __aenter__(self) -> Self:
        ours, theirs = socket.socketpair()
        with theirs:
            self._make(self.module, theirs.fileno())
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
        self._lock = asyncio.Lock()
        try:
            self._process = int(await self._answer("start"))
        except ChildFailed:
            await self._close()
            raise
        return self

    def dismiss(self) -> None:
        """Let it end; leaving the block waits for that."""
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionError):
                    self.dismiss()
                    await self._reader.read()  # up to its end
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)
        await self._close()

    async def _close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def ask(self, command: str, **arguments: Any) -> Any:
        """What the child's `command` returns."""
        async with self._lock:
            with contextlib.suppress(ConnectionError):
                self._writer.write(json.dumps([command, arguments]).encode() + b"\n")
                await self._writer.drain()
            return await self._answer(command)

    async def _answer(self, command: str) -> Any:
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = await self._reader.readline()
        if not answer:
            raise ChildFailed(f"{self.module} ended while it was asked to {command}.")
        document = json.loads(answer)
        if "error" in document:
            raise ChildFailed(f"{self.module} could not {command}: {document['error']}")
        return document["answer"]


async def serve(connection: socket.socket, commands: Mapping[str, Command]) -> None:
    """In the child: say its process id, and answer commands until the parent has no more."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST_LINE)
    document: dict[str, Any] = {"answer": os.getpid()}
    while True:
        writer.write(json.dumps(document).encode() + b"\n")
        await writer.drain()
        if not (line := await reader.readline()):
            return
        command, arguments = json.loads(line)
        try:
            document = {"answer": await commands[command](**arguments)}
        except Exception as error:
            document = {"error": f"{type(error).__name__}: {error}"}
