"""Endpoint of multipart streaming: a body part for each event."""

from __future__ import annotations

from transports.events import Batch
from transports.http.stream import StreamEndpoint

BOUNDARY = b"event"


class MultipartEndpoint(StreamEndpoint):
    """`GET /multipart/<room>/?since=`: multipart/x-mixed-replace (RFC 2046 §5.1)."""

    technique = "multipart"
    content_type = b"application/x-ndjson"
    heartbeat = b"\n"

    def preamble(self, first: Batch) -> bytes:
        return b""

    @staticmethod
    def frame(batch: Batch) -> bytes:
        return b"".join([event.encoded + b"\n" for event in batch.events])
