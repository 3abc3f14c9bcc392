"""HTTP as bytes on a socket, for the tests that are about the bytes."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from .waiting import BOUND


class RawConnection:
    """One TCP connection to `url`: what is written is what is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str) -> RawConnection:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def __aenter__(self) -> RawConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def get(self, target: str, *headers: str, version: str = "1.1") -> list[str]:
        """Send a GET; the response's head, line by line."""
        lines = [f"GET {target} HTTP/{version}", "Host: 127.0.0.1", *headers, "", ""]
        self.writer.write("\r\n".join(lines).encode())
        return (await self.until(b"\r\n\r\n")).decode().split("\r\n")[:-2]

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(BOUND):
            return await self.reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(BOUND):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(BOUND):
            return await self.reader.read(-1)

    async def chunk(self) -> bytes:
        """The next chunk's data (RFC 9112 §7.1); empty: the last chunk."""
        size = int((await self.until(b"\r\n")).removesuffix(b"\r\n"), 16)
        data = await self.exactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]


def headers_of(head: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in head[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
