"""Back-pressure: `GET /slow/<room>/` for a client that reads slowly."""

from realtime_demo.workshop.application import build_application  # isort: skip

from contextlib import aclosing

from django.urls import re_path

from transports import hub
from transports.http.base import Endpoint
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send


class Slow(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        batches = hub.subscribe(request.room, request.since)
        headers = [(b"content-type", b"application/x-ndjson")]
        async with CancelledOnDisconnect(receive), aclosing(batches):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for batch in batches:
                data = b"".join([event.encoded + b"\n" for event in batch.events])
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


application = build_application(http=[re_path(r"^slow/(?P<room>[^/]+)/$", Slow.as_asgi())])
