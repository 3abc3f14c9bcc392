"""Streaming: the response never ends. One stream, in two framings."""

from __future__ import annotations

from transports.events import Batch
from transports.http.stream import StreamEndpoint


class StreamingEndpoint(StreamEndpoint):
    """`GET /streaming/<room>/?since=`: newline-delimited JSON, an event a line."""

    technique = "streaming"
    content_type = b"application/x-ndjson"
    heartbeat = b"\n"

    @staticmethod
    def frame(batch: Batch) -> bytes:
        # JSON escapes the line feed in a string, so that a line ends only where an event does.
        return b"".join([event.encoded + b"\n" for event in batch.events])


class ServerSentEventsEndpoint(StreamEndpoint):
    """`GET /streaming/<room>/sse/?since=`: Server-Sent Events (WHATWG HTML §9.2)."""

    technique = "sse"
    content_type = b"text/event-stream"
    heartbeat = b":\n\n"  # a comment

    def preamble(self, first: Batch) -> bytes:
        # The milliseconds a browser waits before it reconnects, and the place where it is: an id
        # without data is remembered, and is no event (§9.2.6).
        return b"retry: 1000\nid: %b\n\n" % str(first.start).encode()

    @staticmethod
    def frame(batch: Batch) -> bytes:
        return b"".join(
            [b"id: %b\ndata: %b\n\n" % (event.id.encode(), event.encoded) for event in batch.events]
        )
