"""HTTP and WebSocket as bytes on a socket."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
from typing import Any
from urllib.parse import urlsplit

from .waiting import BOUND

KEY = base64.b64encode(b"sixteen bytes...").decode()
HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
)


class RawConnection:
    """A TCP connection over which bytes are sent unchanged."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str, *, receive_buffer: int = 0) -> RawConnection:
        """Connect; `receive_buffer` limits the bytes that the kernel takes unread."""
        parts = urlsplit(url)
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        address = (parts.hostname, parts.port)
        await asyncio.get_running_loop().sock_connect(connection, address)
        return cls(*await asyncio.open_connection(sock=connection))

    async def __aenter__(self) -> RawConnection:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def request(
        self, target: str, *headers: str, version: str = "1.1", method: str = "GET"
    ) -> None:
        """Send the head of a request."""
        lines = [f"{method} {target} HTTP/{version}", "Host: 127.0.0.1", *headers, "", ""]
        self.send("\r\n".join(lines).encode())

    async def head(self) -> list[str]:
        """Return the next response's head, line by line."""
        return (await self.until(b"\r\n\r\n")).decode().split("\r\n")[:-2]

    async def get(self, target: str, *headers: str, version: str = "1.1") -> list[str]:
        """Send a GET; return the response's head, line by line."""
        self.request(target, *headers, version=version)
        return await self.head()

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next response, which has a Content-Length.

        A `100 Continue` before it is skipped (RFC 9110 §15.2).
        """
        while " 100 " in (head := await self.head())[0]:
            pass
        headers = headers_of(head)
        body = await self.exactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, body

    async def upgrade(self, target: str) -> None:
        """Open a WebSocket (RFC 6455 §4)."""
        head = await self.get(target, *HANDSHAKE)
        assert head[0].startswith("HTTP/1.1 101 "), head
        accept = hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert headers_of(head)["sec-websocket-accept"] == base64.b64encode(accept).decode()

    async def message(self) -> tuple[int, bytes]:
        """Return the next frame's first byte and its payload (RFC 6455 §5.2)."""
        first, length = await self.exactly(2)
        if length > 125:
            length = int.from_bytes(await self.exactly(2 if length == 126 else 8), "big")
        return first, await self.exactly(length)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(BOUND):
            return await self.reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(BOUND):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return all data up to the end of the connection."""
        async with asyncio.timeout(BOUND):
            return await self.reader.read(-1)

    async def chunk(self) -> bytes:
        """Return the next chunk's data (RFC 9112 §7.1); empty for the last chunk."""
        size = int((await self.until(b"\r\n")).removesuffix(b"\r\n"), 16)
        data = await self.exactly(size + 2)
        assert data.endswith(b"\r\n")
        return data[:-2]


def headers_of(head: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in head[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def frame(first: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with zeros; `first` is FIN and opcode (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload


def check_raw_problem(response: tuple[int, dict[str, str], bytes], *expected: int) -> None:
    """Check that a response is problem+json (RFC 9457) with one of the `expected` statuses."""
    status, headers, body = response
    problem: dict[str, Any] = json.loads(body)
    assert status == problem["status"]
    assert status in expected
    assert headers["content-type"] == "application/problem+json"
    assert problem["title"] and problem["code"] and problem["detail"]
