"""The worker: Channels' own, that outlives a channel layer's failure and gives back its tasks.

manage.py runworker background-tasks          with Redis: as many as one likes
EmbeddedWorker                                without: inside the server, which alone has the
                                              channel layer in memory
"""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

from channels.layers import channel_layers
from channels.worker import Worker
from django.conf import settings

from transports import feed
from transports.http.scope import Application, Receive, Scope, Send
from transports.hub import ended

from .consumers import CHANNEL
from .runner import runner

logger = logging.getLogger(__name__)

BACK_OFF = (0.1, 5.0)  # seconds between attempts at the layer: first, and most


class BackgroundWorker(Worker):  # type: ignore[misc]
    """Listens for wake-ups, and runs tasks whether it hears of them or not."""

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        working = asyncio.create_task(self.arun())
        await asyncio.wait(
            [working, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if working.done():
            working.result()  # raises what ended it
        await self.stop(working)
        await feed.aclose()

    async def stop(self, working: asyncio.Task[None]) -> None:
        await runner().stop()
        await ended({working})

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
                logger.warning("The channel layer failed (%r); listening anew.", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, BACK_OFF[1])


class EmbeddedWorker:
    """Around the application's lifespan: a worker inside the server where there is no Redis."""

    def __init__(self, lifespan: Application, application: Any) -> None:
        self.lifespan = lifespan
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if settings.REDIS_URL:
            await self.lifespan(scope, receive, send)
            return
        worker = BackgroundWorker(self.application, [CHANNEL], channel_layers["default"])
        working = asyncio.create_task(worker.arun())
        try:
            await self.lifespan(scope, receive, send)
        finally:
            await worker.stop(working)
