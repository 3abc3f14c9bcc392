"""Worker processes: a parent asks, a child answers, a JSON document a line.

The publisher and the subscribers are processes of their own, so that neither waits for the
other's Python, nor for the table on the screen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent
LONGEST_LINE = 2**30  # bytes: all samples of a run come in one answer
PATIENCE = 10.0  # seconds a child has to end by itself

Command = Callable[..., Awaitable[Any]]


class ChildFailed(Exception):
    """A worker process could not do what it was asked."""


class Child:
    """`python -m <module>`, while the block lasts: `await child.ask("run", room="lobby")`.

    Raises `ChildFailed` where a command raised, or the process has ended.
    """

    def __init__(self, module: str) -> None:
        self.module = module

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._lock = asyncio.Lock()
        return self

    def dismiss(self) -> None:
        """Let it end; leaving the block waits for that."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # the child ends at the end of its input

    async def __aexit__(self, *_: object) -> None:
        self.dismiss()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def ask(self, command: str, **arguments: Any) -> Any:
        """What the child's `command` returns."""
        assert self._process.stdin is not None and self._process.stdout is not None
        async with self._lock:
            line = json.dumps([command, arguments]).encode() + b"\n"
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(line)
                await self._process.stdin.drain()
            answer = await self._process.stdout.readline()
        if not answer:
            raise ChildFailed(f"{self.module} ended while it was asked to {command}.")
        document = json.loads(answer)
        if "error" in document:
            raise ChildFailed(f"{self.module} could not {command}: {document['error']}")
        return document["answer"]


async def serve(commands: Mapping[str, Command]) -> None:
    """In the child: answer commands from stdin until it ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command, arguments = json.loads(line)
        try:
            document = {"answer": await commands[command](**arguments)}
        except Exception as error:
            document = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
