"""Streaming endpoints: one response that never ends, in two framings."""

from __future__ import annotations

from transports.events import Batch
from transports.http.request import Request
from transports.http.scope import Receive, Send
from transports.http.stream import StreamEndpoint


class StreamingEndpoint(StreamEndpoint):
    """`GET /streaming/<room>/?since=`: newline-delimited JSON, one event on each line."""

    technique = "streaming"
    content_type = b"application/x-ndjson"
    heartbeat = b"\n"

    @staticmethod
    def frame(batch: Batch) -> bytes:
        # JSON escapes line feeds in strings, so that each line is one event.
        return b"".join([event.encoded + b"\n" for event in batch.events])


class ServerSentEventsEndpoint(StreamEndpoint):
    """`GET /streaming/<room>/sse/?since=`: Server-Sent Events (WHATWG HTML §9.2).

    An event with a name has an `event:` field, and only listeners of that name receive it. With
    `?unnamed`, the listeners of "message" receive every event.
    """

    technique = "sse"
    content_type = b"text/event-stream"
    heartbeat = b":\n\n"  # a comment

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        if "unnamed" in request.query:
            await _unnamed.respond(request, receive, send)
        else:
            await super().respond(request, receive, send)

    def preamble(self, first: Batch) -> bytes:
        # Set the browser's reconnection time in milliseconds, and its Last-Event-ID: an id without
        # data is stored and dispatches no event (§9.2.6).
        return b"retry: 1000\nid: %b\n\n" % str(first.start).encode()

    @staticmethod
    def frame(batch: Batch) -> bytes:
        return b"".join(
            [
                b"id: %b\n%bdata: %b\n\n"
                % (
                    event.id.encode(),
                    b"event: %b\n" % event.name.encode() if event.name else b"",
                    event.encoded,
                )
                for event in batch.events
            ]
        )


class _UnnamedEventsEndpoint(ServerSentEventsEndpoint):
    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        await StreamEndpoint.respond(self, request, receive, send)

    @staticmethod
    def frame(batch: Batch) -> bytes:
        return b"".join(
            [b"id: %b\ndata: %b\n\n" % (event.id.encode(), event.encoded) for event in batch.events]
        )


_unnamed = _UnnamedEventsEndpoint()
