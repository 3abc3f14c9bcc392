"""Runs tasks: claims what there is, at most a few at a time, and looks again when woken.

One for each event loop. It also looks by itself every few seconds: a wake-up may be lost, and a
worker that died tells nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import os
import secrets
import socket
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from transports.store.base import StoreUnavailable

from .models import Task
from .work import WORK, Job, Lost

logger = logging.getLogger(__name__)

claim = database_sync_to_async(Task.objects.claim)


class Runner:
    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.lease: float = settings.TASK_LEASE
        self._woken = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._complained = ""
        self._stopping = False

    def start(self) -> None:
        if self._loop is None:
            # An empty context: it outlives what happened to start it.
            context = contextvars.Context()
            self._loop = asyncio.get_running_loop().create_task(self._run(), context=context)

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    async def stop(self) -> None:
        """Stop claiming, and give back what is not done: another worker takes it at once."""
        self._stopping = True
        self.wake()
        if self._loop is not None:
            await self._loop  # not cancelled: a claim in its thread would claim all the same
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                await self._fill()
                self._complained = ""
            except DatabaseError as error:
                if str(error) != self._complained:  # once: it is tried every few seconds
                    logger.warning("No tasks without the database: %s", error)
                self._complained = str(error)
            except Exception:  # the next look may go better; and without one nobody looks again
                logger.exception("Tasks could not be looked for")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.TASK_SWEEP):
                    await self._woken.wait()

    async def _fill(self) -> None:
        while not self._stopping and len(self._running) < settings.TASK_CONCURRENCY:
            task = await claim(self.name, self.lease)
            if task is None:
                return
            working = asyncio.create_task(self._work(task))
            self._running.add(working)
            working.add_done_callback(self._done)

    def _done(self, working: asyncio.Task[None]) -> None:
        self._running.discard(working)
        self.wake()  # there is room for another
        if not working.cancelled() and (error := working.exception()):
            logger.error("A task was left to its lease", exc_info=error)

    async def _work(self, task: Task) -> None:
        renewing = asyncio.create_task(self._renew(task, asyncio.current_task()))
        try:
            result = await WORK[task.kind].run(Job(task))
        except asyncio.CancelledError:
            if not renewing.done():  # the worker stops; else the task was lost
                await asyncio.shield(_save(task.give_back))
            raise
        except Lost:
            logger.warning("%s is another worker's now.", task)
        except StoreUnavailable as error:
            logger.warning("%s waits for the history: %s", task, error)
            await _save(task.give_back, 1)
        except Exception as error:
            logger.exception("%s, attempt %d", task, task.attempts)
            await _save(task.retry_or_fail, f"{type(error).__name__}: {error}"[:1_000])
        else:
            await _save(task.finish, result)
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
            logger.warning("%s is another worker's now.", task)
            if working is not None:
                working.cancel()
            return


async def _save(change: Any, *arguments: Any) -> bool:
    saved: bool = await database_sync_to_async(change)(*arguments)
    return saved


_runners: WeakKeyDictionary[asyncio.AbstractEventLoop, Runner] = WeakKeyDictionary()


def runner() -> Runner:
    """The running loop's runner, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    found = _runners.get(loop)
    if found is None:
        found = _runners[loop] = Runner()
    return found
