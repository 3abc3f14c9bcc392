"""Between parent and child: lines of JSON over a Unix socket.

Child to parent: `{"ready": true}` once, `{"ask": command, "id", …}`. Parent to child:
`{"state": document}` whenever it has changed, `{"answer": id, "result"}`, `{"stopping": true}`.
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
LONGEST = 64 * 1024 * 1024  # bytes in a line; the wire of one event is the longest


class Lines:
    """One end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, document: Document) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(document).encode() + b"\n")

    async def __aiter__(self) -> AsyncIterator[Document]:
        """What the other end says, until it is gone."""
        try:
            while line := await self._reader.readline():
                yield json.loads(line)
        except (OSError, ValueError):  # gone in the middle of a line
            return

    def close(self) -> None:
        self._writer.close()


class Parent:
    """The parent, as the child knows it. There is one, `parent`, in the server's event loop."""

    def __init__(self) -> None:
        self.state: Document | None = None
        self.stopping = False
        self._lines: Lines | None = None
        self._asked: dict[int, asyncio.Future[Document]] = {}
        self._numbers = itertools.count()
        self._news = asyncio.Event()
        self.followers: list[Callable[[Document], None]] = []

    async def start(self) -> None:
        """Connect to the parent, and follow it in a task of its own until it is gone."""
        self._lines = Lines(
            *await asyncio.open_unix_connection(settings.STAGE_SOCKET, limit=LONGEST)
        )
        self._lines.send({"ready": True})
        following = self._follow(self._lines)
        self._following = asyncio.create_task(following, context=contextvars.Context())

    async def stop(self) -> None:
        """The parent stays connected until the process ends."""

    async def _follow(self, lines: Lines) -> None:
        """Take what the parent sends. When the parent is gone, ask this process to stop."""
        try:
            async for document in lines:
                if "state" in document:
                    self.state = document["state"]
                    for follower in self.followers:
                        follower(document["state"])
                elif "answer" in document:
                    if (asked := self._asked.pop(document["answer"], None)) and not asked.done():
                        asked.set_result(document["result"])
                elif "stopping" in document:
                    self.stopping = True
                self._news.set()
                self._news = asyncio.Event()
        finally:
            self.stopping = True
            os.kill(os.getpid(), signal.SIGTERM)

    def tell(self, command: str, **arguments: Any) -> None:
        """As `ask`, for whom there will be no time to hear the answer."""
        if self._lines is not None:
            self._lines.send({"ask": command, "id": next(self._numbers), **arguments})

    async def ask(self, command: str, **arguments: Any) -> Document:
        """The parent's answer. Raises `Problem`, also what the parent has refused."""
        if self._lines is None or self.stopping:
            raise unavailable("The server is restarting.")
        number = next(self._numbers)
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._lines.send({"ask": command, "id": number, **arguments})
            async with asyncio.timeout(5):
                result = await self._asked[number]
        except TimeoutError:
            raise unavailable("The stage does not answer.") from None
        finally:
            self._asked.pop(number, None)
        if "refused" in result:
            raise Problem(*result["refused"])
        return result

    async def states(self) -> AsyncIterator[Document]:
        """The state document now, and whenever it has changed, until the server stops."""
        seen: Document | None = None
        while True:
            if self.state is not None and self.state is not seen:
                seen = self.state
                yield seen
            elif self.stopping:
                return
            else:
                await self._news.wait()


parent = Parent()
