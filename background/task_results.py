"""The state of a row as a result of Django's tasks.

Django 6.0 has the interface as `django.tasks`; for Django 5.2, django-tasks is its backport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .models import Task

if TYPE_CHECKING:
    from django_tasks.base import Task as FunctionTask
    from django_tasks.base import TaskContext, TaskError, TaskResult, TaskResultStatus
else:
    try:
        from django.tasks.base import TaskContext, TaskError, TaskResult, TaskResultStatus
    except ImportError:
        from django_tasks.base import TaskContext, TaskError, TaskResult, TaskResultStatus

STATUS = {
    Task.Status.WAITING: TaskResultStatus.READY,
    Task.Status.RUNNING: TaskResultStatus.RUNNING,
    Task.Status.DONE: TaskResultStatus.SUCCESSFUL,
    Task.Status.FAILED: TaskResultStatus.FAILED,
}


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
        # No parameter sets it; Django's own backends do the same.
        object.__setattr__(result, "_return_value", row.result)
    return result


def context_of(row: Task, task: FunctionTask[Any, Any]) -> TaskContext:
    return TaskContext(task_result=result_of(row, task))
