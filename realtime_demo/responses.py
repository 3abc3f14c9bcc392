"""Whole responses, of which Uvicorn writes head and body apart: two packets and system calls."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)


@lru_cache(maxsize=256)
def whole_head(status: int, fields: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, int] | None:
    """Return the head of a response with a Content-Length, and that length.

    Return None for another head, or an invalid one: Uvicorn sends or rejects it.
    """
    lines = {name.lower(): value for name, value in fields}
    if (
        b"content-length" not in lines
        or {b"connection", b"transfer-encoding"} & lines.keys()
        or len(lines) < len(fields)
        or any(HEADER_RE.search(name) or HEADER_VALUE_RE.search(lines[name]) for name in lines)
    ):
        return None
    rendered = b"".join([b"%b: %b\r\n" % line for line in lines.items()])
    return b"%b%b\r\n" % (STATUS_LINE[status], rendered), int(lines[b"content-length"])


class Cycle(RequestResponseCycle):
    """A request and its response, which is written at once if its body is in one message.

    A response to HTTP/1.0 is not chunked (RFC 9112 §6.1), but ends with the connection. Until a
    slow client has read the earlier responses, a head waits in `send`, as with Uvicorn: until then
    the application may send another one instead.
    """

    held: Any = ()  # a message with status and fields, its head, and the length of its body

    async def send(self, message: Any) -> None:
        held, self.held = self.held, ()
        if message["type"] == "http.response.start":
            fields = (*self.default_headers, *map(tuple, message.get("headers", ())))
            head = whole_head(message["status"], fields)
            if head is not None and not self.response_started and not self.flow.write_paused:
                self.held = message, *head
                return
        elif held:
            start, head, length = held
            body = message.get("body", b"")
            is_whole = len(body) == length and not message.get("more_body")
            is_usual = self.keep_alive and self.scope["method"] != "HEAD" and not self.access_log
            if is_whole and is_usual and not self.disconnected and not self.flow.write_paused:
                self.response_started = self.response_complete = True
                self.waiting_for_100_continue = False
                self.transport.write(head + body)
                self.message_event.set()
                self.on_response()
                return
            await super().send(start)
        if self.scope["http_version"] == "1.0":
            self.chunked_encoding = False
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
