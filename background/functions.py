"""Functions decorated with `@task` of Django's tasks, as a kind of task."""

from __future__ import annotations

import asyncio
import json
import logging
from inspect import iscoroutinefunction
from traceback import format_exception
from typing import Any

from channels.db import database_sync_to_async
from django.utils.module_loading import import_string

from .models import Task
from .work import Job

logger = logging.getLogger(__name__)

# Not in `WORK`: only `task_backend` starts it. A client must not choose a function.
FUNCTION = "function"


class Failed(Exception):
    """The function raised an error; another attempt could repeat its effects."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        kind = type(error)
        self.document = {
            "exception_class_path": f"{kind.__module__}.{kind.__qualname__}",
            "traceback": "".join(format_exception(error)),
        }


async def run_function(job: Job) -> Any:
    """Run a task's function to its end, even if the worker stops. Raises `Failed`."""
    # A thread cannot be cancelled: to give the task back would run the function twice.
    running = asyncio.ensure_future(_call(job))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        return await running


async def announce_end(task: Task) -> None:
    """Send the signal `task_finished` about a saved task."""
    try:
        from .task_backend import send_finished

        await database_sync_to_async(send_finished, thread_sensitive=False)(task)
    except Exception:  # such as a function that does not exist any more
        logger.exception("The signal task_finished was not sent about %s", task)


async def _call(job: Job) -> Any:
    try:
        # It needs django.tasks or its backport.
        from .task_backend import context_of, send_started

        task = import_string(job.arguments["function"])
        arguments = list(job.arguments["args"])
        if task.takes_context:
            arguments.insert(0, context_of(job.task, task))
        await database_sync_to_async(send_started, thread_sensitive=False)(job.task)
        call = task.func
        if not iscoroutinefunction(call):
            call = database_sync_to_async(call, thread_sensitive=False)
        document = json.dumps(await call(*arguments, **job.arguments["kwargs"]))
        if r"\u0000" in document:  # PostgreSQL stores it in no JSON column ("JSON Types")
            raise ValueError("Expected a return value without U+0000.")
        return json.loads(document)
    except Exception as error:
        raise Failed(error) from error
