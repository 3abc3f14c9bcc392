"""Waiting on a condition, with a bound."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
TICK = 0.01  # seconds
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


@contextmanager
def standstill() -> Iterator[Callable[[], float]]:
    """For how many seconds this process has stood still at most, since the block began."""
    longest, over = 0.0, threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.monotonic()
        while not over.wait(TICK):
            last, before = time.monotonic(), last
            longest = max(longest, last - before - TICK)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield lambda: longest
    finally:
        over.set()
        watching.join()


def in_time(seconds: float, attempt: Callable[[], T]) -> T:
    """What `attempt` returns; again where it fails and we had stood still for so many seconds.

    For a race with the clock, which a machine that stalls decides.
    """
    while True:
        with standstill() as longest:
            try:
                return attempt()
            except Exception:
                time.sleep(2 * TICK)  # so that it has been noticed
                if longest() < seconds:
                    raise


def repeated_after_a_standstill(
    seconds: float,
) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """A test of figures that were measured, as `in_time_async` does it."""

    def decorate(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @wraps(test)
        async def repeated(*args: P.args, **kwargs: P.kwargs) -> None:
            await in_time_async(seconds, lambda: test(*args, **kwargs))

        return repeated

    return decorate


async def in_time_async(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """As `in_time`, for a coroutine."""
    while True:
        with standstill() as longest:
            try:
                return await attempt()
            except Exception:
                await asyncio.sleep(2 * TICK)
                if longest() < seconds:
                    raise
