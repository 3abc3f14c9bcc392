"""What the server answers by itself: problem details (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

Headers = list[tuple[bytes, bytes]]

RETRY_AFTER = 1  # seconds, where the answer is 503


def body(status: int, detail: str) -> bytes:
    """The JSON object. Its title is the status's own phrase, as `about:blank` asks for (§4.2.1)."""
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": HTTPStatus(status).name.lower().replace("_", "-"),
        "detail": detail,
    }
    return json.dumps(problem).encode()


def headers(status: int, length: int) -> Headers:
    """The headers that go with a body of `length` bytes."""
    fields = [
        (b"Content-Type", b"application/problem+json"),
        (b"Content-Length", b"%d" % length),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append((b"Retry-After", b"%d" % RETRY_AFTER))
    return fields


def response(status: int, detail: str) -> bytes:
    """A whole HTTP/1.1 response, after which the connection is closed."""
    content = body(status, detail)
    fields = [*headers(status, len(content)), (b"Connection", b"close")]
    lines = [b"HTTP/1.1 %d %b" % (status, HTTPStatus(status).phrase.encode())]
    lines += [b"%b: %b" % field for field in fields]
    return b"\r\n".join([*lines, b"", content])
