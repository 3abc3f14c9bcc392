"""An HTTP/1.1 response on its own connection, with its bytes and the time of each piece."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import h11

LIMIT = 2**20  # bytes of a head, and of what is read ahead


def now() -> float:
    return asyncio.get_running_loop().time()


class HttpTrace:
    """A response that is being received. Times are in seconds since the request was sent.

    `received` has every byte of the connection; `body` is decoded. `error` is the one that ended
    the response, if any.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.began = now()  # when the request was sent, on the event loop's clock
        self.status = 0
        self.version = ""
        self.headers: dict[str, str] = {}
        self.head_at: float | None = None
        self.received = bytearray()
        self.body = bytearray()
        self.arrivals: list[tuple[float, int]] = []  # the size of the body after each piece
        self.chunks = 0  # of the transfer coding (RFC 9112 §7.1), the last perhaps incomplete
        self.ended_at: float | None = None
        self.error: Exception | None = None
        self._reader = reader
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LIMIT)
        self._decoder: Any = None

    @classmethod
    @asynccontextmanager
    async def of(
        cls,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> AsyncIterator[Self]:
        """Send a GET, or a POST of `body`, and yield its response; then abort the connection."""
        method, fields = "GET", dict(headers)
        messages: list[Any] = [h11.EndOfMessage()]
        if body is not None:
            method, fields["Content-Length"] = "POST", str(len(body))
            messages.insert(0, h11.Data(data=body))
        messages.insert(0, h11.Request(method=method, target=target, headers=list(fields.items())))
        response = cls(reader)
        try:
            writer.write(b"".join(response._http.send(message) or b"" for message in messages))
            yield response
        finally:
            writer.transport.abort()

    @property
    def ending(self) -> str:
        """The reason of `error`; empty without one."""
        return str(self.error) or type(self.error).__name__ if self.error else ""

    def at(self, text: bytes) -> float | None:
        """Return when the body first contained `text`; None if it does not."""
        start = self.body.find(text)
        if start < 0:
            return None
        return next(moment for moment, size in self.arrivals if size >= start + len(text))

    async def read(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Read until `until()` is true, the end, or for `seconds`; return whether it is true."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not until() and self.ended_at is None:
                    await self._next()
        return bool(until())

    async def _next(self) -> None:
        moment = now() - self.began
        try:
            match self._http.next_event():
                case h11.NEED_DATA:
                    data = await self._reader.read(65_536)
                    self.received += data
                    self._http.receive_data(data)
                case h11.Response() as event:
                    self.head_at = moment
                    self.status, self.version = event.status_code, event.http_version.decode()
                    self.headers = {
                        key.decode().lower(): value.decode("latin-1")
                        for key, value in event.headers
                    }
                    if self.headers.get("content-encoding") in ("gzip", "deflate"):
                        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
                case h11.Data() as event:
                    self.chunks += bool(event.chunk_start)
                    data = bytes(event.data)
                    if self._decoder is not None:
                        data = self._decoder.decompress(data)
                    self.body += data
                    if data:
                        self.arrivals.append((moment, len(self.body)))
                case h11.EndOfMessage() | h11.ConnectionClosed():
                    self.ended_at = moment
        except (OSError, h11.ProtocolError, zlib.error) as error:
            self.ended_at, self.error = now() - self.began, error
