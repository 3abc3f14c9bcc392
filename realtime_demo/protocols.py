"""Uvicorn's protocols, corrected for RFC 9110, 9112 and 6455, and for memory."""

from __future__ import annotations

import codecs
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State

HALF_CLOSED = 1.0  # seconds in which a response may still end after the client's FIN
LONGEST_TARGET = 65_535  # bytes: httptools rejects a longer one (RFC 9112 §3)


class HttpProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, corrected.

    The host of an absolute target replaces the Host (RFC 9112 §3.2.2). Only a WebSocket handshake
    of HTTP/1.1 is an upgrade, also in a list (RFC 9110 §7.8). A response to HTTP/1.0 is not
    chunked (RFC 9112 §6.1), but ends with the connection. After a client's FIN, the response may
    take `HALF_CLOSED` seconds: the client may have closed only its sending side. A request without
    a version is malformed (RFC 9112 §3), and an unknown transfer coding is answered 501 (§6.1).
    """

    has_unknown_coding = False

    def eof_received(self) -> bool:  # type: ignore[override]
        # A response that has started and not ended is a stream. One side of TLS cannot stay open.
        if self.cycle is None or self.cycle.response_started or self.scheme == "https":
            return False
        self.cycle.keep_alive = False  # of the last of pipelined requests
        self.loop.call_later(HALF_CLOSED, self.transport.close)
        return True

    def send_400_response(self, msg: str) -> None:
        status = b"414 URI Too Long" if len(self.url) > LONGEST_TARGET else b"400 Bad Request"
        if self.has_unknown_coding:
            status = b"501 Not Implemented"
        fields = (*self.server_state.default_headers, (b"content-length", b"0"))
        lines = [b"HTTP/1.1 " + status, *map(b": ".join, fields), b"connection: close"]
        self.transport.write(b"\r\n".join([*lines, b"", b""]))
        self.transport.close()

    def _should_upgrade(self) -> bool:
        return (
            self.scope["http_version"] == "1.1"
            and b"upgrade" in self._tokens(b"connection")
            and b"websocket" in self._tokens(b"upgrade")
            and self._tokens(b"sec-websocket-version") == [b"13"]
        )

    def _tokens(self, name: bytes) -> list[bytes]:
        lines = [value for key, value in self.headers if key == name]
        return [token.strip().lower() for line in lines for token in line.split(b",")]

    def handle_websocket_upgrade(self) -> None:
        self._replace(b"upgrade", b"websocket")  # websockets accepts no list
        super().handle_websocket_upgrade()

    def _replace(self, name: bytes, value: bytes) -> None:
        self.headers[:] = [field for field in self.headers if field[0] != name] + [(name, value)]

    def on_headers_complete(self) -> None:
        self.has_unknown_coding = bool({*self._tokens(b"transfer-encoding")} - {b"", b"chunked"})
        if self.has_unknown_coding or self.parser.get_http_version() == "0.9":
            raise ValueError("invalid head")  # Uvicorn calls `send_400_response`
        if self.url[:1] not in b"/*":
            target = urlsplit(self.url)
            self.url = target._replace(scheme=b"", netloc=b"", path=target.path or b"/").geturl()
            self._replace(b"host", target.netloc)
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0" and self.cycle is not None:
            cycle, send = self.cycle, self.cycle.send

            async def send_unchunked(message: Any) -> None:
                cycle.chunked_encoding = False
                cycle.expected_content_length = len(message.get("body", b""))
                await send(message)

            cycle.send = send_unchunked  # type: ignore[method-assign]


@lru_cache(maxsize=1)
def text_frame(text: str) -> bytes:
    """Return the frame of a message: the sockets of a room send the same text in turn."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, with shared frames, and without two faults.

    It queues only the latest pong for a slow reader, so that memory stays bounded (allowed by
    RFC 6455 §5.5.3). It fails at the first fragment that is not UTF-8 (§8.1), not at the end of
    the message, also if a close frame follows.
    """

    decoder: codecs.IncrementalDecoder  # of the text message that is being received
    has_failed = False  # nothing that follows invalid text is delivered (RFC 6455 §7.1.7)
    unsent_pong = b""

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        is_open = self.conn.state is State.OPEN and not self.disconnected
        if is_open and message.get("text") and not self.config.ws_per_message_deflate:
            self.transport.write(text_frame(message["text"]))
        else:
            await super().send(message)

    def handle_text(self, event: Frame) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        if self.is_utf_8(event):
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        if not self.has_failed:
            super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        is_bytes = self.curr_msg_data_type == "bytes" and not self.has_failed
        if is_bytes or self.is_utf_8(event):
            super().handle_cont(event)

    def is_utf_8(self, event: Frame) -> bool:
        """Return whether the text is valid up to this frame; if not, fail the connection."""
        if self.has_failed:
            return False
        try:
            self.decoder.decode(event.data, event.fin)
        except UnicodeDecodeError:
            self.has_failed = True
            with suppress(InvalidState):  # a close frame has been answered already
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
            return False
        return True

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := self.conn.data_to_send():
            self.unsent_pong = pongs[-1]

    def resume_writing(self) -> None:
        super().resume_writing()
        self.transport.write(self.unsent_pong)
        self.unsent_pong = b""
