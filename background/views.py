"""Views of tasks: `POST /tasks/` starts one, `GET /tasks/<id>/` returns its state."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from transports.auth.permissions import is_staff
from transports.http.names import shown
from transports.http.origin import check_origin, is_on_this_machine
from transports.http.problems import Problem
from transports.http.publish import check_content_type, parse_json
from transports.http.request import Request
from transports.http.scope import Scope
from transports.http.views import api_view, json_response

from .conf import conf
from .consumers import wake_worker
from .models import Task
from .work import WORK

UNATTENDED = 60.0  # seconds a task is due before the lack of a worker is reported

is_unattended = database_sync_to_async(Task.objects.is_unattended)


async def start(kind: str, arguments: dict[str, Any]) -> Task:
    """Save a new task, and wake a worker. Raise `Problem`."""
    work = WORK.get(kind)
    if work is None:
        raise Problem(400, "kind", f"'kind' must be one of {', '.join(WORK)}; got {shown(kind)}.")
    task = Task(kind=kind, arguments=work.check(arguments))
    if await is_unattended(UNATTENDED):
        raise Problem(
            503,
            "worker",
            f"No worker has claimed the tasks that are due for {UNATTENDED:g} s; start one: "
            "manage.py runworker background-tasks",
            {"Retry-After": "5"},
        )
    await database_sync_to_async(task.save)()
    await wake_worker()
    return task


@csrf_exempt  # as for publishing, the content type and the Origin protect against CSRF
@api_view("POST")
async def tasks(request: HttpRequest) -> HttpResponse:
    """`POST /tasks/` with `{"kind", "arguments"}`: start a task; answer 202 with its URL."""
    scope = check_staff(request)
    check_origin(scope)
    check_content_type(scope)
    document = parse_json(request.body)
    arguments = document.get("arguments", {})
    if not isinstance(arguments, dict):
        raise Problem(
            400,
            "arguments",
            f"'arguments' must be a JSON object or omitted; got {shown(arguments)}.",
        )
    task = await start(str(document.get("kind")), arguments)
    return json_response(task.document, 202, Location=f"/tasks/{task.id}/")


@api_view("GET", "HEAD")
async def task_status(request: HttpRequest, task: str) -> HttpResponse:
    """`GET /tasks/<id>/`: return the current state of a task."""
    check_staff(request)
    with contextlib.suppress(ValueError):
        row = await Task.objects.filter(pk=uuid.UUID(task)).afirst()
        if row is not None:
            return json_response(row.document)
    raise Problem(404, "task", "There is no such task.")


def check_staff(request: HttpRequest) -> Scope:
    """Return the request's scope. Raise `Problem` unless the user is staff.

    In the demo, every client on this machine counts as staff.
    """
    scope: Scope = request.scope  # type: ignore[attr-defined]
    user = Request(scope).user
    if not is_staff(user) and not (conf.DEMO and is_on_this_machine(scope)):
        raise Problem(403, "staff", "Only staff may start and read tasks.")
    return scope
