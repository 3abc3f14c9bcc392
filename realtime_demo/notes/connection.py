"""TCP connection without an HTTP library, so that its idle time can be observed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

BOUND = 15.0  # seconds until an expected answer must have arrived


class Connection:
    """A TCP connection to the server; `received` counts the bytes it has read."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        self._reader, self._writer, self._host = reader, writer, host
        self.received = 0

    @property
    def local_port(self) -> int:
        return int(self._writer.get_extra_info("sockname")[1])

    def get(self, target: str, version: str = "1.1") -> None:
        """Send a GET request for `target`."""
        self._writer.write(f"GET {target} HTTP/{version}\r\nHost: {self._host}\r\n\r\n".encode())

    async def head(self) -> str:
        """Return the next response's status line and fields."""
        async with asyncio.timeout(BOUND):
            head = await self._reader.readuntil(b"\r\n\r\n")
        self.received += len(head)
        return head.decode("latin-1").rstrip()

    async def body(self, head: str) -> bytes:
        """Return the body, whose length `head` announces."""
        async with asyncio.timeout(BOUND):
            content = await self._reader.readexactly(int(field(head, "content-length")))
        self.received += len(content)
        return content

    async def part(self, seconds: float = BOUND) -> bytes:
        """Return the next bytes; empty at the end of the connection, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                content = await self._reader.read(65_536)
        except TimeoutError:
            content = b""
        self.received += len(content)
        return content

    async def until(self, content: bytes) -> bytes:
        """Return everything up to `content`."""
        async with asyncio.timeout(BOUND):
            part = await self._reader.readuntil(content)
        self.received += len(part)
        return part


def field(head: str, name: str) -> str:
    """Return the value of a field; empty if it is missing."""
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """Open a connection to the server at the base URL `url` for the block."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield Connection(reader, writer, address.netloc)
    finally:
        writer.close()
