"""Chunks, responses and frames as a server sends them."""

from __future__ import annotations


def chunk(*parts: bytes) -> bytes:
    """Return a chunk (RFC 9112 §7.1)."""
    data = b"".join(parts)
    return b"%x\r\n%b\r\n" % (len(data), data)


def response(body: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a whole response with a Content-Length."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a frame of at most 65,535 bytes, unmasked (RFC 6455 §5.2)."""
    size = len(payload)
    extended = size.to_bytes(2) if size > 125 else b""
    return bytes([0x80 | opcode, 126 if extended else size]) + extended + payload
