"""The feed's beat: the conversation, at the rate that the stage is set to."""

from __future__ import annotations

import asyncio
from typing import Any

from realtime_demo.conversation import Conversation

from .settings import Feed


class Beat:
    """Runs the conversation as the state has it; a change takes effect at once."""

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._feed: Feed | None = None
        self._task: asyncio.Task[None] | None = None

    def follow(self, state: dict[str, Any]) -> None:
        """Called with each new state document."""
        feed = Feed(**state["feed"])
        if feed == self._feed:
            return
        self._feed = feed
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if feed.running:
            converse = self._conversation.converse(feed.room, feed.rate, feed.arrivals)
            self._task = asyncio.get_running_loop().create_task(converse)

    async def burst(self, room: str, count: int) -> None:
        """`count` lines, one straight after the other. Raises `StoreUnavailable`."""
        for _ in range(count):
            await self._conversation.say(room)


beat = Beat()
