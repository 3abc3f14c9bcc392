"""One reader of the layer: `GET /reader/<room>/?since=` for many clients of one process."""

from realtime_demo.workshop.application import build_application  # isort: skip

from collections.abc import Sequence

from django.urls import re_path

from transports import feed
from transports.events import Event
from transports.http.base import Endpoint
from transports.http.disconnect import CancelledOnDisconnect
from transports.http.request import Request
from transports.http.scope import Receive, Send


class Reader(Endpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        layer = feed.layer()
        channel = await layer.new_channel()
        group = feed.group_of(request.room)
        headers = [(b"content-type", b"application/x-ndjson")]
        async with CancelledOnDisconnect(receive):
            await layer.group_add(group, channel)
            batch = await feed.history(request.room, request.since)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send(lines(batch.events))
            while True:
                message = await layer.receive(channel)
                event = Event.decode(message["event"].encode())
                if event.cursor.seq <= batch.cursor.seq:
                    continue  # read from the history already
                # Also returns what the layer has lost before this event.
                batch = await feed.history(request.room, batch.cursor)
                await send(lines(batch.events))
        await layer.group_discard(group, channel)


def lines(events: Sequence[Event]) -> dict[str, object]:
    """Return the message that sends a line for each event."""
    data = b"".join([event.encoded + b"\n" for event in events])
    return {"type": "http.response.body", "body": data, "more_body": True}


application = build_application(http=[re_path(r"^reader/(?P<room>[^/]+)/$", Reader.as_asgi())])
