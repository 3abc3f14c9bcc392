"""HTTP/1.1: chunks written at once, limits kept, and connections that can be told to end.

Of a connection Twisted makes a `Connection` (a proxy, for HTTP/2's sake) around a `Channel` (the
parser), and for each request a `Request`, which hands it to the application.
"""
# mypy: allow-untyped-calls
# (Twisted says little of its types.)

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import unquote

from daphne import http_protocol
from daphne.utils import HEADER_NAME_RE, INVALID_HEADER_VALUE_BYTES, parse_x_forwarded_for
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http import NO_BODY_CODES
from twisted.web.http_headers import Headers

from realtime_demo.server import problem
from realtime_demo.server.transport import Deadline, Gate, unread

# Seconds in which a connection must bring a whole request: after it was accepted, after the
# last response, and from the request's first byte on.
REQUEST_TIMEOUT = 60.0
# Seconds in which a client that was refused may read the answer before its connection is cut,
# and in which a connection past the cap may send the request to be refused.
LINGER = 2


class ContentTooLarge(Exception):
    """A request body is longer than the server takes."""


def too_large(limit: int) -> str:
    return f"A request body may have {limit} bytes."


class Request(http_protocol.WebRequest):  # type: ignore[misc]
    """A request and its response."""

    def __init__(self, channel: Any, queued: object = False) -> None:
        self.gate = Gate()
        self._received = 0
        self._too_large = False
        # Forms are the application's to parse, as any other body.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)

    # It stands for itself alone, and is looked up for each message.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def __repr__(self) -> str:
        # Without the query string: cursors and tokens stay out of logs.
        return f"<Request {self.method.decode('latin1')} {(self.path or b'').decode('latin1')}>"

    # Receiving

    def gotLength(self, length: int | None) -> None:
        self._check_size(length or 0)
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        self._check_size(self._received)
        if not self._too_large:
            super().handleContentChunk(data)

    def _check_size(self, length: int) -> None:
        if length > self.server.body_size:
            self._too_large = True
            if isinstance(self.channel, Channel):
                raise ContentTooLarge
            # A stream of HTTP/2 ends by itself: its body is ignored, its answer the same.

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # As Twisted has it, but the query string is the application's to parse.
        self.content.seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, self.query_string = path.partition(b"?")
        self.process()

    def process(self) -> Any:
        if self._too_large:
            return self.basic_error(413, b"", too_large(self.server.body_size))
        self.registerProducer(self.gate, True)
        # The response before this one, on the same connection, may still be unread.
        if getattr(self.channel, "_waitingForTransport", False):
            self.gate.pauseProducing()
        is_upgrade = self.requestHeaders.hasHeader(b"Upgrade")
        is_proxied = self.server.proxy_forwarded_address_header
        if (is_upgrade or is_proxied) and not self._is_text():
            return self.basic_error(400, b"", "Invalid header value")
        if is_upgrade:
            return super().process()
        return self._process_plain()

    def _is_text(self) -> bool:
        """Whether Daphne can decode what it takes for text: a socket's subprotocols, and what a
        proxy says of its client, or passes on unread."""
        server, headers = self.server, self.requestHeaders
        names = (
            "Sec-WebSocket-Protocol",
            server.proxy_forwarded_address_header,
            server.proxy_forwarded_port_header,
            server.proxy_forwarded_proto_header,
        )
        found = (headers.getRawHeaders(name.encode(), ()) for name in names if name)
        return all(value.isascii() for values in found for value in values)

    def _process_plain(self) -> None:
        """As Daphne's `process` where no upgrade is asked for, but without the generator and
        the Deferreds by which that calls `create_application`."""
        self.request_start = time.time()
        headers = []
        for name, values in self.requestHeaders.getAllRawHeaders():
            if not HEADER_NAME_RE.fullmatch(name):
                return self.basic_error(400, b"", "Invalid header name")
            for value in values:
                if INVALID_HEADER_VALUE_BYTES.intersection(value):
                    return self.basic_error(400, b"", "Invalid header value")
            # One with "_" could pass for another, where "-" becomes "_" (CVE-2015-0219).
            if b"_" not in name:
                lower = name.lower()
                headers += [(lower, value) for value in values]
        if not (self.path.isascii() and self.query_string.isascii()):
            return self.basic_error(400, b"", "Invalid characters in path or query string")
        if hasattr(self.client, "port"):  # a Unix socket's client has no address
            self.client_addr = [str(self.client.host), self.client.port]
            self.server_addr = [str(self.host.host), self.host.port]
        scheme = "https" if self.isSecure() else "http"
        if self.server.proxy_forwarded_address_header:
            self.client_addr, scheme = parse_x_forwarded_for(
                self.requestHeaders,
                self.server.proxy_forwarded_address_header,
                self.server.proxy_forwarded_port_header,
                self.server.proxy_forwarded_proto_header,
                self.client_addr,
                scheme,
            )
        scope = {
            "type": "http",
            "http_version": self.clientproto.rpartition(b"/")[2].decode("ascii"),
            "method": self.method.decode("ascii"),
            "path": unquote(self.path.decode("ascii")),
            "raw_path": self.path,
            "root_path": self.server.root_path,
            "scheme": scheme,
            "query_string": self.query_string,
            "headers": headers,
            "client": self.client_addr,
            "server": self.server_addr,
        }
        self.application_queue = self.server.create_application(self, scope)
        if self.application_queue is not None:
            message = {"type": "http.request", "body": self.content.read(), "more_body": False}
            self.application_queue.put_nowait(message)

    def make_inbox(self) -> asyncio.Queue[dict[str, Any]]:
        return asyncio.Queue()  # the body is here already, and no longer than `body_size`

    # Responding

    def write_at_once(self, message: dict[str, Any]) -> bool:
        """Write a chunk of a chunked response that has begun; False for any other message."""
        if (
            not self.chunked  # set with the headers, which the first body writes
            or message["type"] != "http.response.body"
            or not message.get("more_body")
            or self.finished
            or self._disconnected
        ):
            return False
        body = message.get("body")
        if body:  # an empty chunk would be the last one (RFC 9112 §7.1)
            self.sentLength += len(body)
            self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and self._response_started:
            if self.startedWriting:
                if self.method == b"HEAD" or self.code in NO_BODY_CODES:
                    message = {**message, "body": b""}
            elif not self.finished and self.channel is not None:
                self._decide_persistence()
                if not message.get("more_body") and self._has_length():
                    self._respond_whole(message.get("body", b""))
                    return
        super().handle_reply(message)

    def _has_length(self) -> bool:
        """Whether nothing but the head and one body makes this response."""
        return (
            self.clientproto == b"HTTP/1.1"
            and not self._disconnected
            and self.responseHeaders.hasHeader(b"Content-Length")
        )

    def _respond_whole(self, body: bytes) -> None:
        """The whole response in one write, and so in one turn of the event loop."""
        self.startedWriting = 1
        pieces = [b"HTTP/1.1 %d %b\r\n" % (self.code, self.code_message)]
        for name, values in self.responseHeaders.getAllRawHeaders():
            pieces += [b"%b: %b\r\n" % (name, value) for value in values]
        pieces.append(b"\r\n")
        if self.method != b"HEAD" and self.code not in NO_BODY_CODES:
            pieces.append(body)
            self.sentLength = len(body)
        self.channel.write(b"".join(pieces))
        self.finish()
        if self.server.action_logger:
            address = ":".join(map(str, self.client_addr)) if self.client_addr else None
            details = {
                "path": self.uri.decode("ascii"),
                "status": self.code,
                "method": self.method.decode("ascii", "replace"),
                "client": address,
                "time_taken": self.duration(),
                "size": self.sentLength,
            }
            self.server.log_action("http", "complete", details)

    def _decide_persistence(self) -> None:
        """A server that says `Connection: close` closes, and the reverse (RFC 9112 §9.6)."""
        if self.server.stopping:
            self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        values = self.responseHeaders.getRawHeaders(b"Connection", [])
        if any(b"close" in value.lower() for value in values):
            self.channel.persistent = 0

    def finish(self) -> None:
        self._open_gate()
        if self.server.stopping:  # a response that began before
            self.channel.persistent = 0
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        self._open_gate()
        super().connectionLost(reason)

    def _open_gate(self) -> None:
        if self.producer is not None and self.channel is not None:
            self.unregisterProducer()
        self.gate.stopProducing()

    # Ending otherwise

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answer an error of the server's own, or, too late for that, cut the response."""
        if self.finished or self.channel is None:
            return
        if self.startedWriting:
            self._cut()
            return
        self._response_started = False
        self.responseHeaders = Headers()
        content = problem.body(status, body)
        fields = problem.headers(status, len(content))
        self.handle_reply({"type": "http.response.start", "status": status, "headers": fields})
        self.handle_reply({"type": "http.response.body", "body": content})

    def _cut(self) -> None:
        """End the connection in a way that shows the response to be incomplete (RFC 9112 §8)."""
        sized = self.chunked or self.responseHeaders.hasHeader(b"Content-Length")
        if sized and isinstance(self.channel, Channel):
            self.channel.loseConnection()
        else:  # an orderly end would be the end of the response
            self.channel.abortConnection()

    def application_ended(self, failed: bool) -> None:
        """The application has returned or failed, and its response is not complete."""
        if self.server.stopping:
            self.basic_error(503, b"", "The server is restarting.")
        elif failed:
            self.basic_error(500, b"", "The application failed.")
        else:
            self.basic_error(500, b"", "The application did not answer.")


class Channel(http.HTTPChannel):
    """The parser of one connection's requests."""

    transport: Any
    timeOut: Any  # seconds, or None
    # Set for a connection past the server's cap: its first request is refused.
    refusing = False
    # Seconds: a client that leaves a response unread has to take some of it in each such time.
    abortTimeout: Any = 15
    _unread = 0  # bytes, when the deadline was last missed

    def __init__(self) -> None:
        super().__init__()
        self.deadline = Deadline(self.timeoutConnection)

    def connectionMade(self) -> None:
        super().connectionMade()
        if self.refusing:
            self.setTimeout(LINGER)

    def abortConnection(self) -> None:
        """Reset the connection (a stream of HTTP/2 has a method of this name too)."""
        self.transport.abortConnection()

    def setTimeout(self, period: float | None) -> float | None:
        # As Twisted's `TimeoutMixin`, which makes a timer for each request and drops it again.
        before: float | None = self.timeOut
        self.timeOut = period
        self._unread = 0
        self.deadline.move(period)
        return before

    def resetTimeout(self) -> None:
        # A request has its time from its first byte on, however slowly it drips.
        if self.timeOut is not None and not self.requests and not self._buffer:
            self.deadline.move(self.timeOut)

    def timeoutConnection(self) -> None:
        # Idle is who has read the last response. To read it may take any time, without a pause.
        before, self._unread = self._unread, unread(self.transport)
        if self._unread != before:
            self.deadline.move(self.abortTimeout if self._unread else self.timeOut)
        elif self._unread:
            self.abortConnection()
        else:
            super().timeoutConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.deadline.forget()

    def dataReceived(self, data: bytes) -> None:
        if self.refusing:
            self.refuse(503, "The server has as many connections as it can serve.")
            return
        try:
            super().dataReceived(data)
        except ContentTooLarge:
            self.refuse(413, too_large(self.factory.server.body_size))

    def headerReceived(self, line: bytes) -> bool:
        # Too many digits even for int(), which Twisted is about to call.
        if line[:15].lower() == b"content-length:" and len(line) > 40:
            raise ContentTooLarge
        return bool(super().headerReceived(line))

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(431, f"A line of a request may have {self.MAX_LENGTH} bytes.")

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(400, "The request is malformed.")

    def refuse(self, status: int, detail: str) -> None:
        """Answer instead of reading on, and close the connection.

        In stages (RFC 9112 §9.6): closed for writing, then read and ignored until the client
        has closed its side. To close at once could reset the connection and lose the answer.
        """
        for method in ("dataReceived", "lineReceived", "rawDataReceived"):
            setattr(self, method, _ignore)
        self.setTimeout(None)
        self.transport.write(problem.response(status, detail))
        if not isinstance(self.transport, FileDescriptor):  # TLS cannot be half closed
            self.loseConnection()
            return
        self.transport.unregisterProducer()
        self.transport.resumeProducing()
        self.transport.loseWriteConnection()
        self._abortingCall = self.callLater(LINGER, self.forceAbortClient)


def _ignore(data: bytes) -> None:
    """What is received after a refusal."""


class Connection(http._GenericHTTPChannelProtocol):
    """One connection, from its acceptance to its end or its upgrade to WebSocket."""

    _channel: Any  # a `Channel`; Twisted puts another in its place for HTTP/2

    def makeConnection(self, transport: Any) -> None:
        server = self.factory.server
        if len(server.transports) < server.max_connections:
            server.transports[transport] = self
        else:
            self._channel.refusing = True
        super().makeConnection(transport)

    def connectionLost(self, reason: Any) -> None:
        self.factory.server.transports.pop(self._channel.transport, None)
        super().connectionLost(reason)

    def close_if_idle(self) -> None:
        """Close the connection unless a request on it is being answered."""
        if isinstance(self._channel, Channel) and not self._channel._handlingRequest:
            self._channel.loseConnection()


class HTTPFactory(http_protocol.HTTPFactory):  # type: ignore[misc]
    """Makes a `Connection` of each accepted connection."""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.timeOut = REQUEST_TIMEOUT

    def protocol(self) -> Connection:
        return Connection(Channel())

    def buildProtocol(self, addr: Any) -> Any:
        connection = super().buildProtocol(addr)
        connection.requestFactory = Request
        return connection

    def log(self, request: Request) -> None:
        """Twisted's own access log, with query strings: never written."""
