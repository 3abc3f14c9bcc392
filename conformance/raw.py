"""Connections over which bytes are sent unchanged, bounded in time and in size."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from gettext import gettext as _
from urllib.parse import urlsplit

from .case import Failed, Skipped, gettext_noop

LONGEST = 1 << 20  # bytes of a head, a body or a frame that are read


class NoResponse(Failed):
    """The server closed the connection, or sent nothing before the time limit."""


class TimedOut(NoResponse):
    """The server sent nothing before the time limit."""


@dataclass(frozen=True)
class Origin:
    """The server's scheme, host and port."""

    tls: bool
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.authority}"


def split(url: str) -> tuple[Origin, str]:
    """Return the origin and the request target of `url`; raises `ValueError` if it is unusable."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https", "ws", "wss"):
        raise ValueError(_("it must begin with http://, https://, ws:// or wss://"))
    if not parts.hostname:
        raise ValueError(_("it has no host"))
    if parts.username is not None:
        raise ValueError(_("it must have no user name"))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not re.fullmatch(r"[!-~]+", target):
        raise ValueError(_("its path and query must be percent-encoded ASCII"))
    tls = parts.scheme in ("https", "wss")
    return Origin(tls, parts.hostname, parts.port or (443 if tls else 80)), target


@dataclass
class Response:
    """A response. `whole` means that its end has been received."""

    status: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    version: str = "HTTP/1.1"
    whole: bool = True

    def all(self, name: str) -> list[str]:
        """Return the values of each field line with this name."""
        return [value for other, value in self.fields if other == name.lower()]

    def get(self, name: str) -> str:
        """Return the combined value of the field; empty without it."""
        return ", ".join(self.all(name))

    def tokens(self, name: str) -> list[str]:
        """Return the members of a comma-separated field, in lower case."""
        return [token.strip().lower() for token in self.get(name).split(",") if token.strip()]

    def expect(
        self,
        *statuses: int,
        message: str = gettext_noop("expected status {expected}; got {status}"),
        **values: object,
    ) -> None:
        """Check that the status is one of `statuses`; otherwise raise `Failed` with `message`."""
        if self.status not in statuses:
            expected = ", ".join(map(str, statuses))
            raise Failed(message, expected=expected, status=self.status, **values)

    @property
    def media_type(self) -> str:
        return self.get("content-type").partition(";")[0].strip().lower()

    @property
    def framing(self) -> str:
        """The way in which the end of the body is known: "none", "chunked", "length" or "close"."""
        if self.status < 200 or self.status in (204, 304):
            return "none"
        if "chunked" in self.tokens("transfer-encoding"):
            return "chunked"
        return "length" if self.all("content-length") else "close"


class Connection:
    """A TCP or TLS connection; each wait for the server takes at most `timeout` seconds."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.timeout = timeout

    async def send(self, data: bytes) -> None:
        """Send `data`; ignore a closed connection, since its answer can still be read."""
        with suppress(OSError):
            self.writer.write(data)
            async with asyncio.timeout(self.timeout):
                await self.writer.drain()

    def half_close(self) -> None:
        """End the client's direction (FIN); raises `Skipped` over TLS."""
        if not self.writer.can_write_eof():
            raise Skipped("a half-close is not possible over TLS")
        self.writer.write_eof()

    async def until(self, end: bytes) -> bytes:
        """Return the bytes up to and including `end`."""
        try:
            return await self._read(self.reader.readuntil(end))
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise NoResponse("the server closed the connection without a response") from error
            raise NoResponse(
                "the server closed the connection after {data!r}", data=bytes(error.partial[:80])
            ) from error
        except asyncio.LimitOverrunError as error:
            raise Failed(
                "no {end!r} in the first {longest} bytes", end=end, longest=LONGEST
            ) from error

    async def exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if size > LONGEST:
            raise Failed(
                "at most {longest} bytes are read; the server announced {size}",
                longest=LONGEST,
                size=size,
            )
        try:
            return await self._read(self.reader.readexactly(size))
        except asyncio.IncompleteReadError as error:
            raise NoResponse(
                "the server closed the connection after {received} of {size} bytes",
                received=len(error.partial),
                size=size,
            ) from error

    async def some(self) -> bytes:
        """Return the next bytes; empty at the end of the connection."""
        try:
            return await self._read(self.reader.read(65_536))
        except TimedOut:
            raise
        except NoResponse:
            return b""

    async def rest(self) -> bytes:
        """Return the bytes up to the end of the connection."""
        data = b""
        while len(data) < LONGEST and (received := await self.some()):
            data += received
        return data

    async def ends(self) -> bool:
        """Return whether the server closes the connection in time; discard its data."""
        with suppress(TimedOut, TimeoutError):
            async with asyncio.timeout(self.timeout):
                size = 0
                while size < LONGEST:
                    if not (data := await self.some()):
                        return True
                    size += len(data)
        return False

    async def head(self) -> Response:
        """Return the next response's head, with an empty body."""
        lines = (await self.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        match = re.fullmatch(r"(HTTP/\d\.\d) (\d{3})(?: [^\r\n]*)?", lines[0])
        if match is None:
            raise Failed("expected a status line; got {line!r}", line=lines[0][:80])
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise Failed("expected a header field; got {line!r}", line=line[:80])
            fields.append((name.lower(), value.strip()))
        return Response(int(match[2]), fields, version=match[1])

    async def response(self, method: str = "GET", *, body: bool = True) -> Response:
        """Return the next final response; without `body`, only its head.

        A body that has not ended before the time limit is incomplete: `whole` is False.
        """
        while (response := await self.head()).status in range(102, 200) or response.status == 100:
            pass
        if method == "HEAD" or not body:
            return response
        try:
            async with asyncio.timeout(self.timeout):
                async for data in self.pieces(response):
                    response.body += data
                    if len(response.body) > LONGEST:
                        raise Failed("at most {longest} bytes of a body are read", longest=LONGEST)
        except (TimeoutError, TimedOut):
            response.whole = False
        return response

    async def pieces(self, response: Response) -> AsyncIterator[bytes]:
        """Yield the body that follows the head of `response`, as it arrives."""
        if response.framing == "chunked":
            async for chunk in self.chunks():
                yield chunk
        elif response.framing == "length":
            length = response.get("content-length")
            if not re.fullmatch(r"[0-9]+", length):
                raise Failed(
                    "expected a Content-Length of digits; got {length!r}", length=length[:40]
                )
            yield await self.exactly(int(length))
        elif response.framing == "close":
            while data := await self.some():
                yield data

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield each chunk's data (RFC 9112 §7.1), and read the trailers."""
        while True:
            line = (await self.until(b"\r\n"))[:-2]
            size = line.partition(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
                raise Failed("expected a chunk's size; got {line!r}", line=line[:40])
            if not int(size, 16):
                break
            data = await self.exactly(int(size, 16) + 2)
            if data[-2:] != b"\r\n":
                raise Failed("expected CRLF after a chunk; got {value!r}", value=data[-2:])
            yield data[:-2]
        while await self.until(b"\r\n") != b"\r\n":
            pass

    async def _read(self, reading: Awaitable[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self.timeout):
                return await reading
        except TimeoutError as error:
            raise TimedOut(
                "the server sent nothing within {seconds:g} s", seconds=self.timeout
            ) from error
        except OSError as error:
            raise NoResponse("the server reset the connection") from error


@asynccontextmanager
async def connect(origin: Origin, seconds: float) -> AsyncIterator[Connection]:
    """Open a connection while the block lasts; each wait for the server takes at most `seconds`.

    Raises `NoResponse` if the server is unreachable.
    """
    context = None
    if origin.tls:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(
                origin.host, origin.port, ssl=context, limit=LONGEST
            )
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise NoResponse(
                "no connection to the server within {seconds:g} s", seconds=seconds
            ) from error
        raise NoResponse("no connection to the server: {error}", error=error) from error
    try:
        yield Connection(reader, writer, seconds)
    finally:
        writer.transport.abort()
