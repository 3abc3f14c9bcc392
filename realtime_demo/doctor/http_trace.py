"""One HTTP/1.1 exchange on a connection of its own, and when each piece of it arrived."""

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

CONNECTING = 10.0  # seconds
DEFAULT_PORTS = {"http": 80, "https": 443}


def root_of(url: str) -> str:
    """The URL of a deployment as it is asked for: its root, without a default port, in ASCII.

    Raises `ValueError`, which says what is wrong with it.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("it begins with http:// or https://")
    if not parts.hostname or parts.port == 0:
        raise ValueError("it names no host, or a port that nobody can listen on")
    if parts.username is not None:
        raise ValueError("a name and a password in it are sent to nobody; leave them out")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("the deployment is at the root of its host; leave out what follows that")
    try:
        host = parts.hostname.encode("idna").decode()
    except UnicodeError as error:
        raise ValueError(f"{parts.hostname!r} is no name of a host") from error
    host = f"[{host}]" if ":" in host else host
    default = parts.port in (None, DEFAULT_PORTS[parts.scheme])
    return f"{parts.scheme}://{host}{'' if default else f':{parts.port}'}"


@dataclass
class Target:
    """Where the deployment is, and how it is spoken to: `tls` is None for http."""

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
class Exchange:
    """A response while it arrives. Times are in seconds since the request was sent."""

    reader: asyncio.StreamReader
    http: h11.Connection
    began: float
    status: int = 0
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    head_at: float | None = None
    pieces: list[tuple[float, bytes]] = field(default_factory=list)  # the body, decoded
    chunks: int = 0  # chunks of the transfer coding (RFC 9112 §7.1) that began
    ended_at: float | None = None
    ending: str = ""  # how it ended where that was not in order
    _decoder: Any = None

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.pieces)

    def at(self, text: bytes) -> float | None:
        """When the body had `text`, None if it has not."""
        body = b""
        for moment, data in self.pieces:
            body += data
            if text in body:
                return moment
        return None

    async def read(self, seconds: float, until: bytes | None = None) -> None:
        """Take what arrives in `seconds`, or up to its end, or until the body has `until`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.ended_at is None and (until is None or self.at(until) is None):
                    await self._next()

    async def read_head(self, seconds: float) -> bool:
        """Take what arrives until the head is there; False after `seconds` without it."""
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

    def _end(self, how: str) -> None:
        self.ended_at, self.ending = now() - self.began, how


@asynccontextmanager
async def exchange(
    target: Target,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> AsyncIterator[Exchange]:
    """Send a request; its response arrives while the block lasts. Raises `OSError`."""
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
        yield Exchange(reader, http, began)
    finally:
        writer.transport.abort()


async def ask(target: Target, path: str, seconds: float = 10.0, **options: Any) -> Exchange:
    """A whole response, or what there is of it after `seconds`. Raises `OSError`."""
    async with exchange(target, path, **options) as made:
        await made.read(seconds)
        return made
