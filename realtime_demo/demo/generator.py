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

from .state import FeedSettings

logger = logging.getLogger(__name__)

BURST_PAUSE = 0.001  # seconds between the lines of a burst
CATCH_UP = 1.0  # seconds of delay up to which late lines are still published


class Generator:
    """Publishes the lines of a conversation, again and again, with the settings of the demo.

    The pauses are drawn from its own seeded random generator, so that runs are reproducible.
    """

    def __init__(self, seed: int = 1) -> None:
        self._lines = itertools.cycle(LINES)  # of the feed and of bursts
        self._random = random.Random(seed)
        self._settings: FeedSettings | None = None
        self._task: asyncio.Task[None] | None = None

    def apply(self, state: dict[str, Any]) -> None:
        """Apply the settings of a new state document at once."""
        settings = FeedSettings(**state["feed"])
        if settings == self._settings:
            return
        self._settings = settings
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if settings.running:
            self._task = asyncio.get_running_loop().create_task(self._publish(settings))

    async def burst(self, room: str, count: int) -> None:
        """Publish `count` lines, one in a millisecond. Raises `StoreUnavailable`.

        A publish in memory does not suspend: without the pauses, all lines would be in one batch,
        unlike those of separate requests.
        """
        for _ in range(count):
            await self._publish_next(room)
            await asyncio.sleep(BURST_PAUSE)

    async def _publish(self, settings: FeedSettings) -> None:
        """Publish lines at the rate of `settings` until cancelled or the feed closes."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while not hub.current().closing:
            try:
                await self._publish_next(settings.room)
            except StoreUnavailable as error:
                logger.warning("The generator pauses: %s", error)
                await asyncio.sleep(1)
            is_random = settings.arrivals == "poisson"  # a Poisson process, as in the theory
            due += self._random.expovariate(settings.rate) if is_random else 1 / settings.rate
            if due < clock() - CATCH_UP:  # skip the late lines
                due = clock()
            await asyncio.sleep(max(0.0, due - clock()))

    async def _publish_next(self, room: str) -> None:
        sender, text = next(self._lines)
        await feed.publish(Draft(room, sender, text))


generator = Generator()
