"""A generator of events: a conversation at a steady rate."""

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

from .state import Arrivals, FeedSettings

logger = logging.getLogger(__name__)

BURST_PAUSE = 0.001  # seconds between the lines of a burst
CATCH_UP = 1.0  # seconds of delay up to which late lines are still published


class Conversation:
    """An endless repetition of the conversation's lines, shared by generator and bursts.

    The pauses are drawn from its own seeded random generator, so that runs are reproducible.
    """

    def __init__(self, seed: int = 1) -> None:
        self._lines = itertools.cycle(LINES)
        self._random = random.Random(seed)

    async def publish_next(self, room: str) -> None:
        """Publish the next line. Raises `StoreUnavailable`."""
        sender, text = next(self._lines)
        await feed.publish(Draft(room, sender, text))

    async def publish_at(self, room: str, rate: float, arrivals: Arrivals = "poisson") -> None:
        """Publish `rate` lines a second until cancelled or the feed closes.

        The `arrivals` are "poisson", a Poisson process as in the theory, or "fixed".
        """
        clock = asyncio.get_running_loop().time
        due = clock()
        while not hub.current().closing:
            try:
                await self.publish_next(room)
            except StoreUnavailable as error:
                logger.warning("The generator pauses: %s", error)
                await asyncio.sleep(1)
            due += self._random.expovariate(rate) if arrivals == "poisson" else 1 / rate
            if due < clock() - CATCH_UP:  # skip the late lines
                due = clock()
            await asyncio.sleep(max(0.0, due - clock()))


class Generator:
    """Publishes the conversation with the settings of the state document."""

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._feed: FeedSettings | None = None
        self._task: asyncio.Task[None] | None = None

    def apply(self, state: dict[str, Any]) -> None:
        """Apply the settings of a new state document at once."""
        feed = FeedSettings(**state["feed"])
        if feed == self._feed:
            return
        self._feed = feed
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if feed.running:
            publishing = self._conversation.publish_at(feed.room, feed.rate, feed.arrivals)
            self._task = asyncio.get_running_loop().create_task(publishing)

    async def burst(self, room: str, count: int) -> None:
        """Publish `count` lines, one in a millisecond. Raises `StoreUnavailable`.

        A publish in memory does not suspend: without the pauses, all lines would be in one batch,
        unlike those of separate requests.
        """
        for _ in range(count):
            await self._conversation.publish_next(room)
            await asyncio.sleep(BURST_PAUSE)


generator = Generator()
