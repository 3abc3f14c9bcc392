"""Endpoints of tasks: `POST /tasks/` starts one, `GET /tasks/<id>/` returns its status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from typing import Any

from channels.db import database_sync_to_async
from channels.layers import channel_layers
from django.conf import settings

from transports.events import encode
from transports.feed import LAYER_TIMEOUT
from transports.http.base import Endpoint, answer
from transports.http.names import shown
from transports.http.problems import Problem
from transports.http.publish import check_content_type, parse_json, read_body
from transports.http.scope import Receive, Scope, Send, check_origin, is_on_this_machine

from .consumers import CHANNEL
from .models import Task
from .work import WORK

logger = logging.getLogger(__name__)


async def start(kind: str, arguments: dict[str, Any]) -> Task:
    """Create a task for a worker and return it. Raises `Problem`."""
    work = WORK.get(kind)
    if work is None:
        raise Problem(400, "kind", f"'kind' must be one of {', '.join(WORK)}; got {shown(kind)}.")
    task = Task(kind=kind, arguments=work.check(arguments))
    await database_sync_to_async(task.save)()
    try:
        async with asyncio.timeout(LAYER_TIMEOUT):
            await channel_layers["default"].send(CHANNEL, {"type": "task.wake"})
    except Exception as error:
        # A worker claims the row at its next sweep.
        logger.warning("The channel layer did not accept a wake-up (%r).", error)
    return task


class TaskRequest:
    """A request for a task. Raises `Problem` unless the user is staff.

    In the demo every client on this machine counts as staff.
    """

    def __init__(self, scope: Scope) -> None:
        if "problem" in scope:
            raise scope["problem"]
        self.scope = scope
        demo = settings.DEMO and is_on_this_machine(scope)
        if not scope["user"].is_staff and not demo:
            raise Problem(403, "staff", "Only staff may start or see tasks.")
        self.task_id: str = scope["url_route"]["kwargs"].get("task", "")


class TasksEndpoint(Endpoint):
    """`POST /tasks/` with `{"kind", "arguments"}`: 202, the task, and its `Location`."""

    methods = ("POST",)
    request_class = TaskRequest

    async def respond(self, request: TaskRequest, receive: Receive, send: Send) -> None:
        check_origin(request.scope)
        check_content_type(request.scope)
        document = parse_json(await read_body(receive, settings.BODY_SIZE))
        arguments = document.get("arguments", {})
        if not isinstance(arguments, dict):
            raise Problem(
                400,
                "arguments",
                f"'arguments' must be a JSON object or omitted; got {shown(arguments)}.",
            )
        task = await start(str(document.get("kind")), arguments)
        location = [(b"location", f"/tasks/{task.id}/".encode())]
        await answer(send, 202, b"application/json", encode(task.document), location)


class TaskStatusEndpoint(Endpoint):
    """`GET /tasks/<id>/`: the task as it is now."""

    request_class = TaskRequest

    async def respond(self, request: TaskRequest, receive: Receive, send: Send) -> None:
        task = None
        with contextlib.suppress(ValueError):
            identity = uuid.UUID(request.task_id)
            task = await database_sync_to_async(Task.objects.filter(pk=identity).first)()
        if task is None:
            raise Problem(404, "task", f"Expected the id of a task; got {shown(request.task_id)}.")
        await answer(send, 200, b"application/json", encode(task.document))
