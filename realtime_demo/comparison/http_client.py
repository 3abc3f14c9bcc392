"""The HTTP clients of a measurement, for repeated requests to one server over one connection.

`HttpxConnection` is the default. `LeanConnection` takes about a tenth of its CPU for a request,
which matters if many clients of one process request at once: of ten long polls answered
together, the tenth waits for the work of nine others. `compare --self-check` measures both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol, Self
from urllib.parse import urlsplit

import httpx

from transports.client import CONNECT_TIMEOUT, HttpClient, Response, tls_for
from transports.events import InvalidEvent

TIMEOUT = 60.0  # seconds without data: more than the longest poll timeout
LONGEST_HEAD = 64 * 1024  # bytes


class MeasuredClient(HttpClient, Protocol):
    """A client of one server over one connection, for the block.

    Requests raise `OSError` if the connection breaks; the next one opens another.
    """

    async def post(self, target: str, document: bytes) -> Response: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


class HttpxConnection:
    """httpx with one persistent connection, without the environment's proxies.

    Implements `MeasuredClient`; the class itself is an `OpenHttp`. The times of the GET requests
    (monotonic clock, seconds) are appended to `request_times`, if given.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        *,
        request_times: list[float] | None = None,
    ) -> None:
        self._request_times = request_times
        self._client = httpx.AsyncClient(
            base_url=base_url,
            # Bytes are compared, and the subscribers search the response for an empty batch.
            headers={"Accept-Encoding": "identity", **(headers or {})},
            verify=tls_for(base_url) or False,
            trust_env=False,
            timeout=httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT),
            # Without an expiry: a slow poll would open a connection for each request.
            limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, target: str) -> Response:
        """Send a GET request for `target` and return the response, with any status.

        Raises `OSError`.
        """
        if self._request_times is not None:
            self._request_times.append(time.monotonic())
        return await self._exchange(self._client.build_request("GET", target))

    async def post(self, target: str, document: bytes) -> Response:
        """Post `document`, which is JSON, to `target`; otherwise as `get`."""
        headers = {"Content-Type": "application/json"}
        return await self._exchange(
            self._client.build_request("POST", target, content=document, headers=headers)
        )

    async def _exchange(self, request: httpx.Request) -> Response:
        try:
            response = await self._client.send(request)
        except httpx.ConnectTimeout as error:  # its own message is empty
            raise TimeoutError(f"no connection in {CONNECT_TIMEOUT:g} s") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        return Response(response.status_code, response.headers, response.content)


class LeanConnection:
    """One persistent connection (RFC 9112 §9.3) over asyncio's streams, reopened after an error.

    Implements `MeasuredClient`; otherwise as `HttpxConnection`.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        *,
        request_times: list[float] | None = None,
    ) -> None:
        self._request_times = request_times
        self._url = base_url
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
        # The same fields as httpx, so that requests have a common client's size.
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._fields = (
            f" HTTP/1.1\r\nHost: {urlsplit(base_url).netloc}\r\nAccept: */*\r\n"
            "Accept-Encoding: identity\r\nConnection: keep-alive\r\n"
            f"User-Agent: realtime-demo\r\n{more}"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def get(self, target: str) -> Response:
        """Send a GET request for `target` and return the response, with any status.

        Raises `OSError` if the connection breaks, `InvalidEvent` if the response is not HTTP.
        """
        await self._connect()
        if self._request_times is not None:
            self._request_times.append(time.monotonic())
        return await self._exchange(f"GET {target}{self._fields}\r\n".encode())

    async def post(self, target: str, document: bytes) -> Response:
        """Post `document`, which is JSON, to `target`; otherwise as `get`."""
        await self._connect()
        fields = f"Content-Type: application/json\r\nContent-Length: {len(document)}\r\n"
        head = f"POST {target}{self._fields}{fields}\r\n"
        return await self._exchange(head.encode() + document)

    async def _connect(self) -> None:
        if self._writer is None:
            self._reader, self._writer = await open_connection(self._url)

    async def _exchange(self, request: bytes) -> Response:
        assert self._reader is not None and self._writer is not None
        try:
            async with asyncio.timeout(TIMEOUT):
                self._writer.write(request)
                head = await self._reader.readuntil(b"\r\n\r\n")
                status, *lines = head.decode("latin-1").split("\r\n")
                pairs = (line.split(":", 1) for line in lines if line)
                fields = {name.lower(): value.strip() for name, value in pairs}
                body = await _body(self._reader, fields)
                response = Response(int(status.split(None, 2)[1]), fields, body)
        except asyncio.IncompleteReadError as error:
            self._close()
            raise ConnectionResetError(
                "The connection closed before the end of the response."
            ) from error
        except (ValueError, IndexError, asyncio.LimitOverrunError) as error:
            self._close()
            raise InvalidEvent(f"The response is not HTTP: {error}") from error
        except OSError:
            self._close()
            raise
        if fields.get("connection", "").lower() == "close":
            self._close()
        return response


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
        raise TimeoutError(f"no connection in {CONNECT_TIMEOUT:g} s") from error


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


HTTP_CLIENTS: dict[str, type[HttpxConnection] | type[LeanConnection]] = {
    "httpx": HttpxConnection,
    "lean": LeanConnection,
}
