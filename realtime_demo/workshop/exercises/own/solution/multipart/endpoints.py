"""Endpoint of multipart streaming: a body part for each event."""

from __future__ import annotations

from transports.events import Batch
from transports.http.stream import StreamEndpoint

BOUNDARY = b"event"
DELIMITER = b"--" + BOUNDARY + b"\r\n"


class MultipartEndpoint(StreamEndpoint):
    """`GET /multipart/<room>/?since=`: multipart/x-mixed-replace (RFC 2046 §5.1)."""

    technique = "multipart"
    content_type = b"multipart/x-mixed-replace; boundary=" + BOUNDARY
    heartbeat = b"\r\n"

    def preamble(self, first: Batch) -> bytes:
        return DELIMITER

    @staticmethod
    def frame(batch: Batch) -> bytes:
        part = b"Content-Type: application/json\r\n\r\n%b\r\n" + DELIMITER
        return b"".join([part % event.encoded for event in batch.events])
