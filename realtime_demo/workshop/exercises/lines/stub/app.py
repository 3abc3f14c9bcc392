"""Streaming: `GET /lines/<room>/` is a response that never ends, with an event on each line."""

from realtime_demo.workshop.application import build_application  # isort: skip

from django.urls import re_path

from transports import feed
from transports.http.base import Endpoint, answer
from transports.http.request import Request
from transports.http.scope import Receive, Send


class Lines(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        batch = await feed.history(request.room, request.since)
        body = b"".join([event.encoded for event in batch.events])
        await answer(send, 200, b"application/x-ndjson", body)


application = build_application(http=[re_path(r"^lines/(?P<room>[^/]+)/$", Lines.as_asgi())])
