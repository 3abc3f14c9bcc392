"""The end of a response whose client disconnects."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Self

from transports.http.scope import Receive


class CancelledOnDisconnect:
    """A context manager that cancels its block when the client disconnects.

    An application that waits for an event does not call `receive`, and so would not notice a
    disconnect.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # an unexpected body
        self._timeout.reschedule(0)

    async def __aexit__(self, *error: Any) -> bool:
        self._watcher.cancel()
        del self._watcher  # its frame references this object: avoid a reference cycle
        with suppress(TimeoutError):
            await self._timeout.__aexit__(*error)
            return False
        return True
