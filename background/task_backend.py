"""Backend of Django's tasks: `@task` functions run by the worker of this app.

Django 6.0 has the interface as `django.tasks`; for Django 5.2, django-tasks is its backport.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.dispatch import Signal
from django.utils.module_loading import import_string

from transports.synchronous import run_sync

from .consumers import wake_worker
from .functions import FUNCTION
from .models import Task

if TYPE_CHECKING:
    from django_tasks import task_backends
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task as FunctionTask
    from django_tasks.base import TaskContext, TaskError, TaskResult, TaskResultStatus
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
else:
    try:
        from django.tasks import task_backends
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.base import TaskContext, TaskError, TaskResult, TaskResultStatus
        from django.tasks.exceptions import TaskResultDoesNotExist
        from django.tasks.signals import task_enqueued, task_finished, task_started
    except ImportError:
        from django_tasks import task_backends
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import TaskContext, TaskError, TaskResult, TaskResultStatus
        from django_tasks.exceptions import TaskResultDoesNotExist
        from django_tasks.signals import task_enqueued, task_finished, task_started

STATUS = {
    Task.Status.WAITING: TaskResultStatus.READY,
    Task.Status.RUNNING: TaskResultStatus.RUNNING,
    Task.Status.DONE: TaskResultStatus.SUCCESSFUL,
    Task.Status.FAILED: TaskResultStatus.FAILED,
}


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


def function_of(row: Task) -> FunctionTask[Any, Any]:
    """Return the function of a row, with the options it was enqueued with."""
    function: FunctionTask[Any, Any] = import_string(row.arguments["function"])
    return function.using(priority=row.priority, run_after=row.run_after)


def result_of(row: Task, task: FunctionTask[Any, Any]) -> TaskResult[Any]:
    is_failed = row.status == Task.Status.FAILED
    result: TaskResult[Any] = TaskResult(
        task=task,
        id=str(row.id),
        status=STATUS[Task.Status(row.status)],
        enqueued_at=row.created_at,
        started_at=row.started_at,
        last_attempted_at=row.started_at,
        finished_at=row.finished_at,
        args=row.arguments["args"],
        kwargs=row.arguments["kwargs"],
        backend=row.arguments["backend"],
        errors=[TaskError(**row.result)] if is_failed and row.result else [],
        worker_ids=[row.worker] * row.attempts,
    )
    if row.status == Task.Status.DONE:
        # The constructor does not take the value; Django's own backends set it in the same way.
        object.__setattr__(result, "_return_value", row.result)
    return result


def context_of(row: Task, task: FunctionTask[Any, Any]) -> TaskContext:
    return TaskContext(task_result=result_of(row, task))


def send_started(row: Task) -> None:
    _send(task_started, row)


def send_finished(row: Task) -> None:
    """Send the signal about a row that has been saved as done or failed."""
    _send(task_finished, Task.objects.get(pk=row.pk))


def _send(signal: Signal, row: Task) -> None:
    backend = task_backends[row.arguments["backend"]]
    # An error of a receiver is logged.
    signal.send_robust(type(backend), task_result=result_of(row, function_of(row)))
