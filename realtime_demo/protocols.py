"""Uvicorn's protocols, corrected for RFC 9110, 9112 and 6455, and for memory."""

from __future__ import annotations

import codecs
import sys
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame

from realtime_demo.responses import Cycle

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

    def eof_received(self) -> bool:  # type: ignore[override]
        # A response that has started and not ended is a stream. One side of TLS cannot stay open.
        if self.cycle is None or self.cycle.response_started or self.scheme == "https":
            return False
        self.cycle.keep_alive = False  # of the last of pipelined requests
        self.loop.call_later(HALF_CLOSED, self.transport.close)
        return True

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        if len(self.url) > LONGEST_TARGET:
            status = b"414 URI Too Long"
        elif error and isinstance(error.__context__, NotImplementedError):
            status = b"501 Not Implemented"
        else:
            return super().send_400_response(msg)
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
        fields = [field for field in self.headers if field[0] != b"upgrade"]
        self.headers[:] = [*fields, (b"upgrade", b"websocket")]  # websockets accepts no list
        super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        # An exception here becomes the context of an `HttpParserError`: see `send_400_response`.
        if self.parser.get_http_version() == "0.9":
            raise ValueError("expected an HTTP version")
        if set(self._tokens(b"transfer-encoding")) - {b"", b"chunked"}:
            raise NotImplementedError("expected no transfer coding but chunked")
        if self.url[:1] not in b"/*":
            target = urlsplit(self.url)
            self.url = urlunsplit((b"", b"", target.path or b"/", target.query, b""))
            fields = [(key, target.netloc if key == b"host" else old) for key, old in self.headers]
            self.headers[:] = fields
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.__class__ = Cycle


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket protocol, without three faults.

    It queues only the latest pong for a slow reader, so that memory stays bounded (allowed by
    RFC 6455 §5.5.3), and accepts a close frame right after text that is not UTF-8. It fails at the
    first fragment that is not UTF-8 (§8.1), not at the end of the message.
    """

    unsent_pong = b""
    decoder: codecs.IncrementalDecoder | None = None  # of a text message in fragments

    def handle_text(self, event: Frame) -> None:
        self.decoder = None if event.fin else codecs.getincrementaldecoder("utf-8")()
        super().handle_text(event)
        self.check_fragment(event)

    def handle_bytes(self, event: Frame) -> None:
        self.decoder = None
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        self.check_fragment(event)

    def check_fragment(self, event: Frame) -> None:
        if self.decoder is None or event.fin:  # uvicorn checks the whole message
            return
        try:
            self.decoder.decode(event.data)
        except UnicodeDecodeError:
            self.decoder = None
            with suppress(InvalidState):
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()

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
