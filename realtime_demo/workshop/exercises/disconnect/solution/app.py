"""A long poll, at `GET /held/<room>/?since=`, whose client may disconnect while it waits."""

from realtime_demo.workshop.application import build_application  # isort: skip

from django.urls import re_path

from transports import hub
from transports.events import batch_json
from transports.http.base import Endpoint, answer
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send

POLL_TIMEOUT = 25.0  # seconds


class Held(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        async with CancelledOnDisconnect(receive):
            batch = await hub.wait(request.room, request.since, POLL_TIMEOUT)
            await answer(send, 200, b"application/json", batch.encoded_by(batch_json))


application = build_application(http=[re_path(r"^held/(?P<room>[^/]+)/$", Held.as_asgi())])
