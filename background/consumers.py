"""Consumer of the channel `background-tasks`, which only wakes workers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from channels.consumer import AsyncConsumer
from channels.routing import ChannelNameRouter

from transports import feed

from .runner import runner

logger = logging.getLogger(__name__)

CHANNEL = "background-tasks"


class TaskConsumer(AsyncConsumer):  # type: ignore[misc]
    """A handler of `{"type": "task.wake"}`, sent when there is a task to claim."""

    channel_layer_alias = ""  # do not open a channel for each instance

    async def task_wake(self, message: dict[str, Any]) -> None:
        current_runner = runner()
        current_runner.start()
        current_runner.wake()


async def wake_worker() -> None:
    """Send a message to a worker: there is a task to claim."""
    try:
        async with asyncio.timeout(feed.LAYER_TIMEOUT):
            await feed.layer().send(CHANNEL, {"type": "task.wake"})
    except Exception as error:
        # The row is saved: a worker claims it at its next sweep.
        logger.warning("The channel layer did not accept a wake-up (%r).", error)


channels = ChannelNameRouter({CHANNEL: TaskConsumer.as_asgi()})
