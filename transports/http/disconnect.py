"""The end of a response whose client disconnects."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from transports.http.problems import Problem
from transports.http.scope import Receive


class CancelledOnDisconnect:
    """A context manager that cancels its block when the client disconnects.

    An application that waits for an event does not call `receive`, and so would not notice a
    disconnect. Works as `asyncio.timeout` does.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._disconnected = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        with suppress(Problem):  # an unexpected body exceeds its limit
            while (await self._receive())["type"] != "http.disconnect":
                pass
        self._disconnected = True
        if self._task is not None:
            self._task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._watcher.cancel()
        del self._watcher  # its frame references this object: avoid a reference cycle
        if self._disconnected and self._task is not None:
            return self._task.uncancel() == 0 and kind is asyncio.CancelledError
        return False
