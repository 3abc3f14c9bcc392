"""The deployment that is examined, and requests to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

from realtime_demo.http_trace import LIMIT, HttpTrace

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
    """The URL of the examined deployment, also its origin; `tls` is None for http."""

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

    @asynccontextmanager
    async def trace(
        self, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> AsyncIterator[HttpTrace]:
        """Send a GET, or a POST of `body`, and yield its response. Raise `OSError`."""
        sent = {"Host": self.parts.netloc, "User-Agent": "realtime-doctor", **(headers or {})}
        reader, writer = await self._connect()
        async with HttpTrace.of(reader, writer, path, sent, body) as response:
            yield response

    async def fetch(self, path: str, seconds: float = 10.0, **options: Any) -> HttpTrace:
        """Return the whole response, or the part received in `seconds`. Raise `OSError`."""
        async with self.trace(path, **options) as response:
            await response.read(seconds)
            return response

    async def rejection(self) -> str:
        """Return the response to a malformed request, which a proxy does not forward.

        Raise `OSError`.
        """
        reader, writer = await self._connect()
        try:
            head = f"GET / HTTP/1.1\r\nHost: {self.parts.netloc}\r\nX(Y: 1\r\n\r\n"
            writer.write(head.encode())
            async with asyncio.timeout(CONNECTING):
                return (await reader.read(65_536)).decode("latin-1")
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CONNECTING):
            return await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=LIMIT)
