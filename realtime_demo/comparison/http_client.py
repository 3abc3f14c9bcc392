"""The HTTP clients of a measurement, for repeated requests to one server over one connection.

`HttpxConnection` is the default. `LeanConnection` takes about a tenth of its CPU for a request.
That matters if many clients of one process request at once: of ten long polls answered together,
the tenth waits for the work of nine others. `compare --self-check` measures both.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from gettext import gettext as _
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from transports.client import CONNECT_TIMEOUT, Response, tls_for
from transports.events import InvalidEvent

TIMEOUT = 60.0  # seconds without data: more than the longest poll timeout
LONGEST_HEAD = 64 * 1024  # bytes


class MeasuredClient(ABC):
    """A client of one server over one persistent connection, for the block.

    A class of it is an `OpenHttp`. The times of the GET requests (monotonic clock, seconds) are
    appended to `request_times`, if given. Requests raise `OSError` if the connection breaks; the
    next one opens another.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        *,
        request_times: list[float] | None = None,
    ) -> None:
        self._url = base_url
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}  # bytes are compared
        self._request_times = request_times

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def get(self, target: str) -> Response:
        """Send a GET request for `target` and return the response, with any status."""
        await self._connect()
        if self._request_times is not None:
            self._request_times.append(time.monotonic())
        return await self._exchange("GET", target)

    async def post(self, target: str, document: bytes) -> Response:
        """Post the JSON `document` to `target` and return the response, with any status."""
        await self._connect()
        return await self._exchange("POST", target, document)

    async def _connect(self) -> None:  # noqa: B027 (httpx connects in `_exchange`)
        """Connect before the time of the request is taken."""

    @abstractmethod
    async def _exchange(self, method: str, target: str, document: bytes = b"") -> Response: ...

    @abstractmethod
    async def _close(self) -> None: ...


class HttpxConnection(MeasuredClient):
    """httpx with one persistent connection, without the environment's proxies."""

    def __init__(self, base_url: str, *args: Any, **options: Any) -> None:
        super().__init__(base_url, *args, **options)
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers=self._headers,
            verify=tls_for(base_url) or False,
            trust_env=False,
            timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
            # Without an expiry: a slow poll would open a connection for each request.
            limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
        )

    async def _exchange(self, method: str, target: str, document: bytes = b"") -> Response:
        headers = {"Content-Type": "application/json"} if document else {}
        try:
            response = await self._client.request(
                method, target, content=document or None, headers=headers
            )
        except httpx.ConnectTimeout as error:  # its own message is empty
            raise _no_connection() from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        return Response(response.status_code, response.headers, response.content)

    async def _close(self) -> None:
        await self._client.aclose()


class LeanConnection(MeasuredClient):
    """One persistent connection (RFC 9112 §9.3) over asyncio's streams, reopened after an error.

    Raises `InvalidEvent` if the response is not HTTP.
    """

    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def __init__(self, base_url: str, *args: Any, **options: Any) -> None:
        super().__init__(base_url, *args, **options)
        # The same fields as httpx, so that requests have the size of a common client's.
        fields = {
            "Host": urlsplit(base_url).netloc,
            "Accept": "*/*",
            "Connection": "keep-alive",
            "User-Agent": "realtime-demo",
            **self._headers,
        }
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items())

    async def _connect(self) -> None:
        self._streams = self._streams or await open_connection(self._url)

    async def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _exchange(self, method: str, target: str, document: bytes = b"") -> Response:
        assert self._streams is not None
        reader, writer = self._streams
        head = f"{method} {target} HTTP/1.1\r\n{self._fields}"
        if document:
            head += f"Content-Type: application/json\r\nContent-Length: {len(document)}\r\n"
        is_reusable = False
        try:
            async with asyncio.timeout(TIMEOUT):
                writer.write(f"{head}\r\n".encode() + document)
                answer = await reader.readuntil(b"\r\n\r\n")
                status, *lines = answer.decode("latin-1").split("\r\n")
                pairs = (line.split(":", 1) for line in lines if line)
                fields = {name.lower(): value.strip() for name, value in pairs}
                response = Response(
                    int(status.split(None, 2)[1]), fields, await _body(reader, fields)
                )
            is_reusable = fields.get("connection", "").lower() != "close"
            return response
        except asyncio.IncompleteReadError as error:
            text = _("The connection closed before the end of the response.")
            raise ConnectionResetError(text) from error
        except (ValueError, IndexError, asyncio.LimitOverrunError) as error:
            text = _("The response is not HTTP: {error}")
            raise InvalidEvent(text.format(error=error)) from error
        finally:
            if not is_reusable:
                await self._close()


async def open_connection(base_url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a TCP or TLS connection to the server. Raises `OSError`."""
    url = urlsplit(base_url)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            return await asyncio.open_connection(
                url.hostname,
                url.port or (443 if url.scheme == "https" else 80),
                ssl=tls_for(base_url),
                limit=LONGEST_HEAD,
            )
    except TimeoutError as error:  # its own message is empty
        raise _no_connection() from error


def _no_connection() -> TimeoutError:
    return TimeoutError(_("no connection in {seconds} s").format(seconds=f"{CONNECT_TIMEOUT:g}"))


async def _body(reader: asyncio.StreamReader, fields: Mapping[str, str]) -> bytes:
    """Read the message body by RFC 9112 §6.3: chunked, by Content-Length, or to the end."""
    if fields.get("transfer-encoding", "").lower() == "chunked":
        content = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            content += (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass  # trailer fields
        return content
    if "content-length" in fields:
        return await reader.readexactly(int(fields["content-length"]))
    return await reader.read()


HTTP_CLIENTS: dict[str, type[MeasuredClient]] = {"httpx": HttpxConnection, "lean": LeanConnection}
