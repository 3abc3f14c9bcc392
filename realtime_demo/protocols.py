"""Uvicorn's protocols, with two corrections for RFC 9112 and for memory."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


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
    """Uvicorn's WebSocket protocol, which queues only the latest pong for a slow reader.

    RFC 6455 §5.5.3 allows that, and memory stays bounded.
    """

    unsent_pong = b""

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
