"""Backend of Django's tasks: `@task` functions run by the worker of this app."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import transaction

from transports.synchronous import run_sync

from .consumers import wake_worker
from .functions import FUNCTION
from .models import Task
from .task_results import function_of, result_of

if TYPE_CHECKING:
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task as FunctionTask
    from django_tasks.base import TaskResult
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued
else:
    try:
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.exceptions import TaskResultDoesNotExist
        from django.tasks.signals import task_enqueued
    except ImportError:
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.exceptions import TaskResultDoesNotExist
        from django_tasks.signals import task_enqueued


class TaskBackend(BaseTaskBackend):
    """Saves each enqueued function as a row, in the caller's transaction, and wakes a worker."""

    supports_async_task = True
    supports_defer = True
    supports_get_result = True
    supports_priority = True

    def enqueue(self, task: FunctionTask[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        self.validate_task(task)
        arguments = {"function": task.module_path, "backend": self.alias}
        row = Task(
            kind=FUNCTION,
            arguments=arguments | {"args": args, "kwargs": kwargs},
            priority=task.priority,
            run_after=task.run_after,
        )
        result = result_of(row, task)  # raises an error if the arguments are not JSON
        row.arguments |= {"args": result.args, "kwargs": result.kwargs}
        row.save()
        task_enqueued.send(type(self), task_result=result)
        transaction.on_commit(_wake_worker, robust=True)
        return result

    def get_result(self, result_id: str) -> TaskResult[Any]:
        try:
            row = Task.objects.get(pk=uuid.UUID(result_id), kind=FUNCTION)
        except (ValueError, Task.DoesNotExist) as error:
            raise TaskResultDoesNotExist(result_id) from error
        return result_of(row, function_of(row))


def _wake_worker() -> None:
    run_sync(wake_worker())
