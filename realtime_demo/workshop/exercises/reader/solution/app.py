"""One reader of the layer: `GET /reader/<room>/?since=` for many clients of one process."""

from realtime_demo.workshop.application import build_application  # isort: skip

from collections.abc import Sequence
from contextlib import aclosing

from django.urls import re_path

from transports import hub
from transports.events import Event
from transports.http.base import Endpoint
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send


class Reader(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        batches = hub.subscribe(request.room, request.since)
        headers = [(b"content-type", b"application/x-ndjson")]
        async with CancelledOnDisconnect(receive), aclosing(batches):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for batch in batches:
                await send(lines(batch.events))
            await send({"type": "http.response.body", "body": b""})


def lines(events: Sequence[Event]) -> dict[str, object]:
    """Return the message that sends a line for each event."""
    data = b"".join([event.encoded + b"\n" for event in events])
    return {"type": "http.response.body", "body": data, "more_body": True}


application = build_application(http=[re_path(r"^reader/(?P<room>[^/]+)/$", Reader.as_asgi())])
