"""A task: `POST /run/<room>/` publishes its lines, even if an earlier attempt was interrupted."""

from realtime_demo.workshop.application import build_application  # isort: skip

from django.urls import re_path

from transports import feed
from transports.conf import conf
from transports.events import Draft
from transports.http.base import Endpoint, answer
from transports.http.problems import Problem
from transports.http.publish import parse_json, read_body
from transports.http.request import Request
from transports.http.scope import Receive, Send


class Run(Endpoint):
    """Runs `{"task", "lines", "dies_after"}`; the worker dies after `dies_after` lines."""

    methods = ("POST",)

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        task = parse_json(await read_body(receive, conf.BODY_SIZE))
        for step, line in enumerate(task["lines"]):
            if step == task.get("dies_after"):
                raise Problem(503, "died", "The worker has died.")
            await feed.publish(Draft(request.room, "worker", line))
        await answer(send, 200, b"application/json", b"{}")


application = build_application(http=[re_path(r"^run/(?P<room>[^/]+)/$", Run.as_asgi())])
