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
ATTEMPTS = 5  # of a test that fails during a stall
BOUND = 60.0  # seconds after which a wait fails


async def until(condition: Callable[[], object], seconds: float = BOUND) -> None:
    """Return as soon as `condition()` is true; raises `TimeoutError` after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.005)


async def until_async(condition: Callable[[], Awaitable[object]], seconds: float = BOUND) -> None:
    """Do as `until`, for a coroutine function, which is called ten times a second."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@contextmanager
def stalls() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the longest stall of this process since the block began."""
    longest, ended = 0.0, threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.monotonic()
        while not ended.wait(TICK):
            last, before = time.monotonic(), last
            longest = max(longest, last - before - TICK)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: longest
    finally:
        ended.set()
        thread.join()


async def retry_after_stall(seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what `attempt` returns; repeat it if it fails and a stall lasted `seconds` or more.

    For tests that measure time, which fail while the machine stalls.
    """
    for repetitions in reversed(range(ATTEMPTS)):
        with stalls() as longest:
            try:
                return await attempt()
            except Exception:
                await asyncio.sleep(2 * TICK)  # until the stall has been measured
                if longest() < seconds or not repetitions:
                    raise
    raise AssertionError("there is an attempt")


def repeated_after_a_stall(
    seconds: float,
) -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Decorate a test so that it is repeated as by `retry_after_stall`."""

    def decorate(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @wraps(test)
        async def repeated(*args: P.args, **kwargs: P.kwargs) -> None:
            await retry_after_stall(seconds, lambda: test(*args, **kwargs))

        return repeated

    return decorate
