"""Uvicorn's protocols, corrected for RFC 9112, for RFC 6455 and for memory."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, without chunked responses to HTTP/1.0 (RFC 9112 §6.1).

    Such a response ends with the connection.
    """

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0" and self.cycle is not None:
            cycle, send = self.cycle, self.cycle.send

            async def send_unchunked(message: Any) -> None:
                cycle.chunked_encoding = False
                cycle.expected_content_length = len(message.get("body", b""))
                await send(message)

            cycle.send = send_unchunked  # type: ignore[method-assign]


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, without two faults.

    It queues only the latest pong for a slow reader, so that memory stays bounded (allowed by
    RFC 6455 §5.5.3), and accepts a close frame right after text that is not UTF-8.
    """

    unsent_pong = b""

    def send_receive_event_to_app(self) -> None:
        with suppress(InvalidState):  # the close frame has been answered already
            super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := self.conn.data_to_send():
            self.unsent_pong = pongs[-1]

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unsent_pong:
            self.transport.write(self.unsent_pong)
            self.unsent_pong = b""
