"""Runner of tasks: claims a few at a time, when woken and every few seconds.

Each event loop has one runner. The periodic sweep covers lost wake-ups and workers that died.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import secrets
import socket
import time
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from transports.store.base import StoreUnavailable

from .conf import conf
from .functions import FUNCTION, Failed, announce_end, run_function
from .models import Task
from .work import WORK, Job, Lost

logger = logging.getLogger(__name__)

RUN = {FUNCTION: run_function} | {kind: work.run for kind, work in WORK.items()}
CLEAN_UP_PAUSE = 600.0  # seconds between two deletions of expired tasks

claim = database_sync_to_async(Task.objects.claim)
delete_expired = database_sync_to_async(Task.objects.delete_expired)


class Runner:
    """Claims and runs up to `TASK_CONCURRENCY` tasks at a time on one event loop."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.lease: float = conf.TASK_LEASE
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._logged_error = ""
        self._stopping = False
        self._next_clean_up = 0.0

    def start(self) -> None:
        if self._loop is None:
            # An empty context: the runner outlives the request that started it.
            context = contextvars.Context()
            self._loop = asyncio.get_running_loop().create_task(self._run(), context=context)

    def wake(self) -> None:
        """Claim tasks now, rather than at the next sweep."""
        self._woken.set()

    async def stop(self) -> None:
        """Stop claiming, and give back unfinished tasks, so that another worker claims them."""
        self._stopping = True
        self.wake()
        if self._loop is not None:
            await self._loop  # do not cancel it: a claim in its thread would still be made
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                await self._delete_expired()
                await self._fill()
                self._logged_error = ""
            except DatabaseError as error:
                if str(error) != self._logged_error:  # log it once: it recurs at each sweep
                    logger.warning("The database of tasks is unavailable: %s", error)
                self._logged_error = str(error)
            except Exception:  # keep sweeping: the next sweep may succeed
                logger.exception("Tasks could not be claimed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(conf.TASK_SWEEP):
                    await self._woken.wait()

    async def _fill(self) -> None:
        while not self._stopping and len(self._running) < conf.TASK_CONCURRENCY:
            task = await claim(self.name, self.lease)
            if task is None:
                return
            working = asyncio.create_task(self._work(task))
            self._running.add(working)
            working.add_done_callback(self._done)

    async def _delete_expired(self) -> None:
        now = time.monotonic()
        if conf.TASK_EXPIRY and now >= self._next_clean_up:
            self._next_clean_up = now + CLEAN_UP_PAUSE
            await delete_expired(conf.TASK_EXPIRY)

    def _done(self, working: asyncio.Task[None]) -> None:
        self._running.discard(working)
        self.wake()  # another task can run now
        if not working.cancelled() and (error := working.exception()):
            logger.error("A task failed unexpectedly; its lease will expire", exc_info=error)

    async def _work(self, task: Task) -> None:
        renewing = asyncio.create_task(self._renew(task, asyncio.current_task()))
        try:
            result = await RUN[task.kind](Job(task))
        except asyncio.CancelledError:
            if not renewing.done():  # the worker stops; otherwise the lease was lost
                await asyncio.shield(_save(task.give_back))
            raise
        except Lost:
            logger.warning("%s has been claimed by another worker.", task)
        except StoreUnavailable as error:
            logger.warning("%s is retried once the history is available: %s", task, error)
            await _save(task.give_back, 1)
        except Failed as error:
            logger.error("%s: %s", task, error)
            if await _save(task.fail, str(error)[:1_000], error.document):
                await announce_end(task)
        except Exception as error:
            logger.exception("%s, attempt %d", task, task.attempts)
            await _save(task.retry_or_fail, f"{type(error).__name__}: {error}"[:1_000])
        else:
            if await _save(task.finish, result) and task.kind == FUNCTION:
                await announce_end(task)
        finally:
            renewing.cancel()

    async def _renew(self, task: Task, working: asyncio.Task[Any] | None) -> None:
        while True:
            await asyncio.sleep(self.lease / 3)
            try:
                if await _save(task.renew, self.lease):
                    continue
            except DatabaseError as error:
                logger.warning("The lease of %s was not renewed: %s", task, error)
                continue
            logger.warning("%s has been claimed by another worker.", task)
            if working is not None:
                working.cancel()
            return


async def _save(change: Any, *arguments: Any) -> bool:
    saved: bool = await database_sync_to_async(change)(*arguments)
    return saved


_runners: WeakKeyDictionary[asyncio.AbstractEventLoop, Runner] = WeakKeyDictionary()


def runner() -> Runner:
    """Return the running loop's runner, created on first use."""
    loop = asyncio.get_running_loop()
    current_runner = _runners.get(loop)
    if current_runner is None:
        current_runner = _runners[loop] = Runner()
    return current_runner
