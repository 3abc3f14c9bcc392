"""Channels' worker, extended to survive layer failures and give back unfinished tasks on stop.

manage.py runworker background-tasks    with Redis: any number of processes
EmbeddedWorker                          without Redis: inside the server, since other processes
                                        cannot reach its channel layer in memory; with Redis:
                                        only in the demo, which has a single server
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import signal
from typing import Any

from channels.worker import Worker

from transports import feed
from transports.command_line import environment_language
from transports.hub import cancel_all
from transports.operations.agreement import agreement

from .conf import conf
from .consumers import CHANNEL
from .runner import runner

logger = logging.getLogger(__name__)

BACK_OFF = (0.1, 5.0)  # seconds between attempts at the layer: first and longest


class BackgroundWorker(Worker):  # type: ignore[misc]
    """A worker that runs tasks when woken, and at its periodic sweeps."""

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        agreement.language = environment_language()
        await agreement.start()
        working = asyncio.create_task(self.arun())
        await asyncio.wait(
            [working, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if working.done():
            working.result()  # raises the error that ended it
        await self.stop(working)
        await agreement.stop()
        await feed.aclose()

    async def stop(self, working: asyncio.Task[None]) -> None:
        await runner().stop()
        await cancel_all({working})

    async def handle(self) -> None:
        runner().start()
        await super().handle()

    async def listener(self, channel: str) -> None:
        pause = BACK_OFF[0]
        while True:
            try:
                await super().listener(channel)
            except Exception as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    return
                logger.warning("The channel layer failed (%r); listening again.", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, BACK_OFF[1])


class EmbeddedWorker:
    """A worker inside the server, as a service of `Boundary`.

    With Redis it starts only if `with_redis` is true; if not, worker processes run the tasks.
    """

    def __init__(self, application: Any, *, with_redis: bool = False) -> None:
        self.application = application
        self.with_redis = with_redis
        self._worker: BackgroundWorker | None = None
        self._working: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if conf.REDIS_URL and not self.with_redis:
            return
        self._worker = BackgroundWorker(self.application, [CHANNEL], feed.layer())
        self._working = asyncio.create_task(self._worker.arun(), context=contextvars.Context())

    async def stop(self) -> None:
        if self._worker is not None and self._working is not None:
            await self._worker.stop(self._working)
