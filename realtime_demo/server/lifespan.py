"""The ASGI lifespan protocol (version 2.0): the application hears of startup and shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
Application = Callable[..., Awaitable[None]]

logger = logging.getLogger("realtime_demo.server")


class StartupFailed(Exception):
    """The application answered `lifespan.startup.failed`; the text is its message."""


class Lifespan:
    """One run of an application's lifespan. An application without one is left in peace."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message | None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Return when the application is ready. Raises: `StartupFailed`."""
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise StartupFailed(answer.get("message") or "no reason given")

    async def shutdown(self) -> None:
        """Return when the application has cleaned up, or at once if it has no lifespan."""
        if self._task is None or self._task.done():
            return
        answer = await self._ask("lifespan.shutdown")
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            logger.error("The application failed to shut down: %s", answer.get("message"))

    async def _ask(self, event: str) -> Message | None:
        """The application's answer to `event`; None if it ended without one."""
        self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": event})
        return await self._answer

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        try:
            await self._application(scope, self._inbox.get, self._send)
        except Exception as error:
            if self._answer is not None and self._answer.done():
                logger.error("Exception in the application's lifespan", exc_info=error)
            else:
                # Many an application knows no such scope, and raising is how it says so.
                logger.info("No lifespan: the application raised %r", error)
        finally:
            await self._send(None)

    async def _send(self, message: Message | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)
