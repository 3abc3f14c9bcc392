"""Communication between parent and child: lines of JSON over a Unix socket.

Child to parent: `{"ready": true}` once, `{"ask": command, "id", …}`. Parent to child:
`{"state": document}` after each change, `{"answer": id, "result"}`, `{"stopping": true}`.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

from django.conf import settings

from transports.http.problems import Problem, unavailable

Document = dict[str, Any]
LONGEST = 64 * 1024 * 1024  # bytes in a line; the longest has the recorded bytes of an event


class Lines:
    """One end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, document: Document) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(document).encode() + b"\n")

    async def __aiter__(self) -> AsyncIterator[Document]:
        """Yield the documents from the other end until it closes."""
        try:
            while line := await self._reader.readline():
                yield json.loads(line)
        except (OSError, ValueError):  # closed in the middle of a line
            return

    def close(self) -> None:
        self._writer.close()


class Parent:
    """The child's connection to the parent. The one instance is `parent`."""

    def __init__(self) -> None:
        self.state: Document | None = None
        self.stopping = False
        self._lines: Lines | None = None
        self._answers: dict[int, asyncio.Future[Document]] = {}
        self._numbers = itertools.count()
        self._received = asyncio.Event()
        self.listeners: list[Callable[[Document], None]] = []  # called with each state document

    async def start(self) -> None:
        """Connect to the parent, and receive from it in a task until it closes."""
        self._lines = Lines(
            *await asyncio.open_unix_connection(settings.STAGE_SOCKET, limit=LONGEST)
        )
        self._lines.send({"ready": True})
        receiving = self._receive(self._lines)
        self._receiving = asyncio.create_task(receiving, context=contextvars.Context())

    async def stop(self) -> None:
        """Stay connected: the parent needs the connection until the process ends."""

    async def _receive(self, lines: Lines) -> None:
        """Receive from the parent. When it closes the connection, stop this process."""
        try:
            async for document in lines:
                if "state" in document:
                    self.state = document["state"]
                    for listener in self.listeners:
                        listener(document["state"])
                elif "answer" in document:
                    answer = self._answers.pop(document["answer"], None)
                    if answer is not None and not answer.done():
                        answer.set_result(document["result"])
                elif "stopping" in document:
                    self.stopping = True
                self._received.set()
                self._received = asyncio.Event()
        finally:
            self.stopping = True
            os.kill(os.getpid(), signal.SIGTERM)

    def send(self, command: str, **arguments: Any) -> int:
        """Send a command without waiting for the answer; return its number."""
        number = next(self._numbers)
        if self._lines is not None:
            self._lines.send({"ask": command, "id": number, **arguments})
        return number

    async def ask(self, command: str, **arguments: Any) -> Document:
        """Send a command, and return the parent's answer. Raise `Problem`."""
        if self._lines is None or self.stopping:
            raise unavailable("The server is restarting.")
        number = self.send(command, **arguments)
        self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(5):
                result = await self._answers[number]
        except TimeoutError:
            raise unavailable("The demo's parent process does not answer.") from None
        finally:
            self._answers.pop(number, None)
        if "problem" in result:
            raise Problem(*result["problem"])
        return result

    async def states(self) -> AsyncIterator[Document]:
        """Yield the state document now and after each change, until the server stops."""
        latest: Document | None = None
        while True:
            if self.state is not None and self.state is not latest:
                latest = self.state
                yield latest
            elif self.stopping:
                return
            else:
                await self._received.wait()


parent = Parent()
