"""Server-Sent Events: `GET /sse/<room>/`, for a browser's EventSource."""

from realtime_demo.workshop.application import build_application  # isort: skip

from contextlib import aclosing

from django.urls import re_path

from transports import hub
from transports.http.base import Endpoint
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send


class ServerSentEvents(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        batches = hub.subscribe(request.room, request.since)
        headers = [(b"content-type", b"text/event-stream")]
        async with CancelledOnDisconnect(receive), aclosing(batches):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for batch in batches:
                data = b"".join(
                    [
                        b"id: %b\ndata: %b\n\n" % (event.id.encode(), event.encoded)
                        for event in batch.events
                    ]
                )
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


route = re_path(r"^sse/(?P<room>[^/]+)/$", ServerSentEvents.as_asgi())
application = build_application(http=[route])
