"""Functions of Django's tasks, which a worker's process imports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User

from transports import feed, synchronous
from transports.events import Draft

if TYPE_CHECKING:
    from django_tasks import task
else:
    try:
        from django.tasks import task
    except ImportError:
        from django_tasks import task


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
def wait_for(started: str, proceed: str, seconds: float) -> str:
    """Create the file `started`, then wait for the file `proceed`; return "done"."""
    Path(started).touch()
    deadline = time.monotonic() + seconds
    while not Path(proceed).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return "done"
