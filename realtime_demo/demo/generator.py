"""A gentle generated conversation, so that the page is alive as soon as it opens."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from typing import Any

from background.work import LINES
from transports import feed, hub
from transports.events import Draft
from transports.store.base import StoreUnavailable

from .state import Arrivals, Feed

logger = logging.getLogger(__name__)

CATCH_UP = 1.0  # seconds that the conversation may be late and still say all its lines


class Conversation:
    """The lines, over and over, whoever asks for the next one.

    Its pauses are drawn from a generator of its own, so that two runs are alike.
    """

    def __init__(self, seed: int = 1) -> None:
        self._lines = itertools.cycle(LINES)
        self._random = random.Random(seed)

    async def say(self, room: str) -> None:
        """Publish the next line. Raises `StoreUnavailable`."""
        sender, text = next(self._lines)
        await feed.publish(Draft(room, sender, text))

    async def converse(self, room: str, rate: float, arrivals: Arrivals = "poisson") -> None:
        """Publish `rate` lines a second until cancelled or the feed closes.

        At random moments (a Poisson process, as the theory has it) or on the beat.
        """
        clock = asyncio.get_running_loop().time
        due = clock()
        while not hub.current().closing:
            try:
                await self.say(room)
            except StoreUnavailable as error:
                logger.warning("The conversation pauses: %s", error)
                await asyncio.sleep(1)
            due += self._random.expovariate(rate) if arrivals == "poisson" else 1 / rate
            if due < clock() - CATCH_UP:  # it was held up: what was not said stays unsaid
                due = clock()
            await asyncio.sleep(max(0.0, due - clock()))


class Generator:
    """Publishes the conversation as the state document has it; a change takes effect at once."""

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
        """Publish `count` lines without a pause. Raises `StoreUnavailable`."""
        for _ in range(count):
            await self._conversation.say(room)


generator = Generator()
