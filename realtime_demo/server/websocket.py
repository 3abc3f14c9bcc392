"""WebSocket: frames built once and written at once, and every close with its code and reason."""

from __future__ import annotations

import re
import struct
from functools import partial
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from daphne import ws_protocol
from twisted.internet.interfaces import ISSLTransport

from realtime_demo.server import problem
from realtime_demo.server.transport import Gate, Inbox

# Close codes that may be sent in a close frame (RFC 6455 §7.4; 1012 to 1014 are IANA's).
CLOSE_CODES = frozenset([*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)])
SERVICE_RESTART = 1012


def frame(payload: str | bytes) -> bytes:
    """A whole message in one frame (RFC 6455 §5.2): FIN, text or binary, not masked."""
    first, data = (0x81, payload.encode()) if isinstance(payload, str) else (0x82, payload)
    length = len(data)
    if length < 126:
        return b"%c%c%b" % (first, length, data)
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length) + data
    return struct.pack("!BBQ", first, 127, length) + data


class WebSocketProtocol(ws_protocol.WebSocketProtocol):  # type: ignore[misc]
    """One WebSocket."""

    def connectionMade(self) -> None:
        self.server = self.factory.server_class
        self.server.transports[self.transport] = self
        self.gate = Gate()
        self.transport.unregisterProducer()  # the HTTP channel that this connection was
        self.transport.registerProducer(self.gate, True)
        super().connectionMade()

    def connectionLost(self, reason: Any) -> None:
        self.server.transports.pop(self.transport, None)
        self.gate.stopProducing()
        super().connectionLost(reason)
        # Autobahn's Deferreds have fired with this protocol: no cycle for the collector.
        self.is_open = self.is_closed = None

    @property
    def scheme(self) -> str:
        """By the proxy's word where there is one that is believed (`--proxy-headers`)."""
        told = getattr(self, "client_scheme", None)
        secure = told in ("https", "wss") if told else ISSLTransport.providedBy(self.transport)
        return "wss" if secure else "ws"

    def make_inbox(self) -> Inbox:
        return Inbox(self.transport)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        # Daphne expects a handshake that came as far as `onConnect`.
        if hasattr(self, "request"):
            super().onClose(wasClean, code, reason)

    def onPing(self, payload: bytes) -> None:
        """Answer; while the client does not read, its latest Ping alone (RFC 6455 §5.5.3)."""
        if self.gate.closed is None:
            super().onPing(payload)
        else:
            self.gate.postponed = partial(super().onPing, payload)

    # Sending

    def write_at_once(self, message: dict[str, Any]) -> bool:
        """Write a message to an open socket; False for any other kind or state."""
        if (
            self.state != self.STATE_OPEN
            or message["type"] != "websocket.send"
            or self._perMessageCompress is not None
        ):
            return False
        text, data = message.get("text"), message.get("bytes")
        if (text is None) is (data is None):  # Daphne knows what to do with both or neither
            return False
        self.transport.write(self.factory.frame(data if text is None else text))
        return True

    def handle_reply(self, message: dict[str, Any]) -> None:
        if self.state in (self.STATE_CLOSING, self.STATE_CLOSED):
            return  # too late: the application hears of it when it receives
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            self.serverClose(message.get("code"), message.get("reason"))
        else:
            super().handle_reply(message)

    # Ending

    def serverClose(self, code: int | None = None, reason: str | None = None) -> None:
        """Begin the closing handshake (RFC 6455 §7.1.2). Raises: `ValueError` for the code."""
        code = 1000 if code is None else code
        if code not in CLOSE_CODES:
            raise ValueError(f"{code} cannot be sent in a close frame (RFC 6455 §7.4)")
        if self.state == self.STATE_OPEN:
            # A control frame holds 125 bytes, of which the code takes two (§5.5).
            cut = (reason or "").encode()[:123].decode(errors="ignore")
            self.transport.resumeProducing()  # the client's answer must be read
            self.sendCloseFrame(code=code, reasonUtf8=cut.encode())

    def application_ended(self, failed: bool) -> None:
        """The application has returned or failed, and the socket is not closed."""
        if self.server.stopping:
            self.restart()
        elif self.state == self.STATE_CONNECTING:
            self._deny(500, "The application failed." if failed else "No answer.")
        else:
            self.serverClose(1011 if failed else 1000)

    def restart(self) -> None:
        """Close with 1012; a handshake not answered yet is answered 503."""
        if self.state == self.STATE_CONNECTING:
            self._deny(503, "The server is restarting.")
        else:
            self.serverClose(SERVICE_RESTART, "service restart")

    def onOpenHandshakeTimeout(self) -> None:
        """The application has not answered the handshake in `websocket_handshake_timeout`."""
        self._deny(503, "The application did not answer in time.")
        super().onOpenHandshakeTimeout()

    def check_timeouts(self) -> None:
        if self.state != self.STATE_CONNECTING:  # Daphne would answer 403
            super().check_timeouts()

    def _deny(self, status: int, reason: str) -> None:
        if hasattr(self, "handshake_deferred"):
            denial = ConnectionDeny(code=status, reason=reason)  # type: ignore[no-untyped-call]
            self.handshake_deferred.errback(denial)
            del self.handshake_deferred

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        # It is logged, and what it quotes of the request may be a token.
        super().failHandshake(re.sub('"[^"]*"', '"…"', reason), code, responseHeaders)

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        self.transport.write(problem.response(code, reason))

    def _closeConnection(self, abort: bool = False) -> None:
        # After a full closing handshake there is nothing to reset (§7.1.1).
        super()._closeConnection(abort and not self.wasClean)


class WebSocketFactory(ws_protocol.WebSocketFactory):  # type: ignore[misc]
    """Makes a `WebSocketProtocol` of each connection that is upgraded."""

    protocol = WebSocketProtocol

    def __init__(self, server_class: Any, **options: Any) -> None:
        super().__init__(server_class, **options)
        self._payload: str | bytes | None = None
        self._frame = b""

    def frame(self, payload: str | bytes) -> bytes:
        """The frame of `payload`, remembered: a broadcast sends one object to every socket."""
        if payload is not self._payload:
            self._frame = frame(payload)
            self._payload = payload
        return self._frame
