"""Waiting on a condition, with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

BOUND = 60.0  # seconds after which what has not happened is not going to


async def until(condition: Callable[[], object], seconds: float = BOUND) -> None:
    """Return as soon as `condition()` is true; raises `TimeoutError` after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.005)


async def until_asked(condition: Callable[[], Awaitable[object]], seconds: float = BOUND) -> None:
    """As `until`, for a condition that has to be asked for, ten times a second."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
