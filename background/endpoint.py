"""`POST /tasks/` starts a task; `GET /tasks/<id>/` says how it is."""

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
from transports.feed import LAYER_PATIENCE
from transports.http.base import Endpoint, answer
from transports.http.problems import Refusal
from transports.http.publish import check_content_type, parse_json, read_body
from transports.http.scope import Receive, Scope, Send, check_origin, is_on_this_machine

from .consumers import CHANNEL
from .models import Task
from .work import WORK

logger = logging.getLogger(__name__)


async def start(kind: str, arguments: dict[str, Any]) -> Task:
    """A new task, to be run by some worker. Raises `Refusal`."""
    work = WORK.get(kind)
    if work is None:
        raise Refusal(400, "kind", f"'kind' is one of {', '.join(WORK)}.")
    task = Task(kind=kind, arguments=work.check(arguments))
    await database_sync_to_async(task.save)()
    try:
        async with asyncio.timeout(LAYER_PATIENCE):
            await channel_layers["default"].send(CHANNEL, {"type": "task.wake"})
    except Exception as error:
        # The row is there: a worker finds it at its next look.
        logger.warning("The channel layer took no wake-up (%r).", error)
    return task


class TaskRequest:
    """Who asks for a task, and for which. Raises `Refusal` unless that is staff.

    In the demo everyone on this very machine is staff.
    """

    def __init__(self, scope: Scope) -> None:
        if "problem" in scope:
            raise scope["problem"]
        self.scope = scope
        demo = settings.DEMO and is_on_this_machine(scope)
        if not scope["user"].is_staff and not demo:
            raise Refusal(403, "staff", "Tasks are for staff alone.")
        self.task_id: str = scope["url_route"]["kwargs"].get("task", "")


class TasksConsumer(Endpoint):
    """`POST /tasks/` with `{"kind", "arguments"}`: 202, the task, and where to ask for it."""

    methods = ("POST",)
    request_class = TaskRequest

    async def respond(self, request: TaskRequest, receive: Receive, send: Send) -> None:
        check_origin(request.scope)
        check_content_type(request.scope)
        document = parse_json(await read_body(receive, settings.BODY_SIZE))
        arguments = document.get("arguments", {})
        if not isinstance(arguments, dict):
            raise Refusal(400, "arguments", "'arguments' is a JSON object, or not there at all.")
        task = await start(str(document.get("kind")), arguments)
        location = [(b"location", f"/tasks/{task.id}/".encode())]
        await answer(send, 202, b"application/json", encode(task.document), location)


class TaskStatusConsumer(Endpoint):
    """`GET /tasks/<id>/`: the task as it is now."""

    request_class = TaskRequest

    async def respond(self, request: TaskRequest, receive: Receive, send: Send) -> None:
        found = None
        with contextlib.suppress(ValueError):
            identity = uuid.UUID(request.task_id)
            found = await database_sync_to_async(Task.objects.filter(pk=identity).first)()
        if found is None:
            raise Refusal(404, "task", "There is no such task.")
        await answer(send, 200, b"application/json", encode(found.document))
