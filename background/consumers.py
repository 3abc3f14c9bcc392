"""Consumer of the channel `background-tasks`, which only wakes workers."""

from __future__ import annotations

from typing import Any

from channels.consumer import AsyncConsumer
from channels.routing import ChannelNameRouter

from .runner import runner

CHANNEL = "background-tasks"


class TaskConsumer(AsyncConsumer):  # type: ignore[misc]
    """A handler of `{"type": "task.wake"}`, sent when there is a task to claim."""

    channel_layer_alias = ""  # do not open a channel for each instance

    async def task_wake(self, message: dict[str, Any]) -> None:
        current_runner = runner()
        current_runner.start()
        current_runner.wake()


channels = ChannelNameRouter({CHANNEL: TaskConsumer.as_asgi()})
