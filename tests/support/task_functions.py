"""Functions of Django's tasks, which a worker's process imports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.dispatch import receiver

from transports import feed, synchronous
from transports.events import Draft

if TYPE_CHECKING:
    from django_tasks import task
    from django_tasks.signals import task_finished, task_started
else:
    try:
        from django.tasks import task
        from django.tasks.signals import task_finished, task_started
    except ImportError:
        from django_tasks import task
        from django_tasks.signals import task_finished, task_started


@task
def publish_sum(room: str, *numbers: int) -> dict[str, int]:
    """A synchronous function, which uses the database and publishes."""
    synchronous.publish_sync(Draft(room, "task", str(sum(numbers))))
    return {"sum": sum(numbers), "users": User.objects.count()}


@task(takes_context=True)
async def publish_id(context: Any, room: str) -> int:
    """A coroutine function, with a context."""
    await feed.publish(Draft(room, "task", context.task_result.id))
    attempt: int = context.attempt
    return attempt


@task
def fail(room: str) -> Any:
    synchronous.publish_sync(Draft(room, "task", "failing"))
    raise LookupError(room)


@task
def character(number: int) -> str:
    return chr(number)


@receiver([task_started, task_finished])
def publish_status(task_result: Any, **_: object) -> None:
    """Publish the status of each signal about two of the functions."""
    if task_result.task.func in (publish_sum.func, fail.func):
        text = f"{task_result.id} {task_result.status}"
        synchronous.publish_sync(Draft(f"{task_result.args[0]}-signals", "task", text))


@task
def wait_for(started: str, proceed: str, seconds: float) -> str:
    """Create the file `started`, then wait for the file `proceed`; return "done"."""
    Path(started).touch()
    deadline = time.monotonic() + seconds
    while not Path(proceed).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return "done"
