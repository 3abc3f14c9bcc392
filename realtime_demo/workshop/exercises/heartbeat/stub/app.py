"""A heartbeat: `GET /quiet/<room>/` streams lines, and stays open while there is no news."""

from realtime_demo.workshop.application import build_application  # isort: skip

from contextlib import aclosing

from django.urls import re_path

from transports import hub
from transports.http.base import Endpoint
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send

HEARTBEAT = 0.5  # seconds; the proxy of this exercise closes after one second without a byte


class Quiet(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        batches = hub.subscribe(request.room, request.since, HEARTBEAT)
        headers = [(b"content-type", b"application/x-ndjson")]
        async with CancelledOnDisconnect(receive), aclosing(batches):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for batch in batches:
                if not batch.events:
                    continue
                data = b"".join([event.encoded + b"\n" for event in batch.events])
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


application = build_application(http=[re_path(r"^quiet/(?P<room>[^/]+)/$", Quiet.as_asgi())])
