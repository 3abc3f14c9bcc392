"""An HTTP/1.1 response on its own connection, with the time of arrival of each piece."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import h11
from django.utils.translation import gettext as _

CONNECTING = 10.0  # seconds
DEFAULT_PORTS = {"http": 80, "https": 443}


def root_of(url: str) -> str:
    """Return the URL of a deployment's root in ASCII, without a default port.

    Raise `ValueError` if `url` is not the URL of a root.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        text = _("expected http:// or https://; got the scheme {scheme}")
        raise ValueError(text.format(scheme=repr(parts.scheme)))
    if not parts.hostname or parts.port == 0:
        text = _("expected a host and a valid port; got {netloc}")
        raise ValueError(text.format(netloc=repr(parts.netloc)))
    if parts.username is not None:
        raise ValueError(_("expected no user name and password: they are not sent"))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_("expected the root of a host, without path, query and fragment"))
    try:
        host = parts.hostname.encode("idna").decode()
    except UnicodeError as error:
        text = _("expected a host name; got {hostname}")
        raise ValueError(text.format(hostname=repr(parts.hostname))) from error
    host = f"[{host}]" if ":" in host else host
    default = parts.port in (None, DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}{'' if default else f':{parts.port}'}"


@dataclass
class Target:
    """The URL of the examined deployment; `tls` is None for http."""

    url: str
    tls: ssl.SSLContext | None = None

    @property
    def parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def host(self) -> str:
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        return self.parts.port or DEFAULT_PORTS[self.parts.scheme]

    @property
    def origin(self) -> str:
        return f"{self.parts.scheme}://{self.parts.netloc}"


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class HttpTrace:
    """A response that is being received. Times are in seconds since the request was sent."""

    reader: asyncio.StreamReader
    http: h11.Connection
    began: float  # when the request was sent, on the event loop's clock
    status: int = 0
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    head_at: float | None = None
    pieces: list[tuple[float, bytes]] = field(default_factory=list)  # the body, decoded
    chunks: int = 0  # chunks of the transfer coding (RFC 9112 §7.1), the last perhaps incomplete
    ended_at: float | None = None
    ending: str = ""  # the error that ended the response, if any
    _decoder: Any = None

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def at(self, text: bytes) -> float | None:
        """Return when the body first contained `text`; None if it does not."""
        body = b""
        for moment, data in self.pieces:
            body += data
            if text in body:
                return moment
        return None

    async def read(self, seconds: float, until: bytes | None = None) -> None:
        """Read for `seconds`, until the end, or until the body contains `until`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.ended_at is None and (until is None or self.at(until) is None):
                    await self._next()

    async def read_head(self, seconds: float) -> bool:
        """Read the head; return False if it has not arrived after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.ended_at is None and self.head_at is None:
                    await self._next()
        return self.head_at is not None

    async def _next(self) -> None:
        try:
            event = self.http.next_event()
            if event is h11.NEED_DATA:
                self.http.receive_data(await self.reader.read(65_536))
                return
        except (OSError, h11.ProtocolError) as error:
            self._end(str(error) or type(error).__name__)
            return
        moment = now() - self.began
        if isinstance(event, h11.Response):
            self.head_at = moment
            self.status, self.version = event.status_code, event.http_version.decode()
            self.headers = {key.decode().lower(): value.decode() for key, value in event.headers}
            if self.headers.get("content-encoding") in ("gzip", "deflate"):
                self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
        elif isinstance(event, h11.Data):
            self.chunks += bool(event.chunk_start)
            try:
                data = self._decoder.decompress(event.data) if self._decoder else bytes(event.data)
            except zlib.error as error:
                self._end(f"Content-Encoding: {error}")
                return
            self.pieces.append((moment, data))
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            self._end("")

    def _end(self, error: str) -> None:
        self.ended_at, self.ending = now() - self.began, error


@asynccontextmanager
async def trace(
    target: Target,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> AsyncIterator[HttpTrace]:
    """Send a request, and yield its response to be read in the block. Raise `OSError`."""
    async with asyncio.timeout(CONNECTING):
        reader, writer = await asyncio.open_connection(
            target.host, target.port, ssl=target.tls, limit=2**20
        )
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    sent = {"Host": target.parts.netloc, "User-Agent": "realtime-doctor", **(headers or {})}
    if method == "POST":
        sent["Content-Length"] = str(len(body))
    request = h11.Request(method=method, target=path, headers=list(sent.items()))
    messages: list[Any] = [request, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
    try:
        began = now()
        writer.write(b"".join(http.send(message) or b"" for message in messages))
        yield HttpTrace(reader, http, began)
    finally:
        writer.transport.abort()


async def fetch(target: Target, path: str, seconds: float = 10.0, **options: Any) -> HttpTrace:
    """Return the whole response, or the part received in `seconds`. Raise `OSError`."""
    async with trace(target, path, **options) as response:
        await response.read(seconds)
        return response


async def rejection(target: Target) -> str:
    """Return the response to a malformed request, which a proxy does not forward.

    Raise `OSError`.
    """
    async with asyncio.timeout(CONNECTING):
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls)
        try:
            writer.write(
                f"GET / HTTP/1.1\r\nHost: {target.parts.netloc}\r\nX(Y: 1\r\n\r\n".encode()
            )
            return (await reader.read(65_536)).decode("latin-1")
        finally:
            writer.transport.abort()
