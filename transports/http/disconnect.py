"""The end of a response whose client disconnects."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Self

from transports.http.problems import Problem
from transports.http.scope import Receive


class CancelledOnDisconnect:
    """A context manager that cancels its block when the client disconnects.

    An application that waits for an event does not call `receive`, and so would not notice a
    disconnect. If `receive` raises `Problem`, such as for an unexpected body that is too large, the
    block is cancelled too, and its end raises the problem.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._timeout = asyncio.timeout(None)
        self._problem: Problem | None = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except Problem as problem:
            self._problem = problem
        self._timeout.reschedule(0)

    async def __aexit__(self, *error: Any) -> bool:
        self._watcher.cancel()
        del self._watcher  # its frame references this object: avoid a reference cycle
        with suppress(TimeoutError):
            await self._timeout.__aexit__(*error)
            return False
        if self._problem:
            raise self._problem
        return True
