"""Streaming endpoints: one response that stays open, in two framings."""

from __future__ import annotations

import random

from transports.events import Batch, Cursor
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.scope import Receive, Send
from transports.http.stream import StreamEndpoint

RETRY = (500, 1_500)  # milliseconds: spreads the clients that a restart disconnects
FOREIGN = Cursor("", 1)  # no room has this epoch


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
        endpoint = _unnamed if "unnamed" in request.query else self
        await StreamEndpoint.respond(endpoint, request, receive, send)

    def preamble(self, first: Batch) -> bytes:
        # Set the browser's reconnection time in milliseconds, and its Last-Event-ID: an id without
        # data is stored and dispatches no event (§9.2.6).
        return b"retry: %d\nid: %b\n\n" % (random.randint(*RETRY), str(first.start).encode())

    @staticmethod
    def since(request: Request) -> Cursor | None:
        # EventSource never reconnects after a 400 (§9.2.3), and sends the id of any server that
        # it was connected to before: answer an id that is not a cursor with a reset.
        try:
            return request.since
        except Problem:
            return FOREIGN

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
    @staticmethod
    def frame(batch: Batch) -> bytes:
        return b"".join(
            [b"id: %b\ndata: %b\n\n" % (event.id.encode(), event.encoded) for event in batch.events]
        )


_unnamed = _UnnamedEventsEndpoint()
