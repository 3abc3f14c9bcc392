"""Parsers of HTTP heads, chunks, WebSocket frames and gzip members."""

from __future__ import annotations

import zlib
from typing import NamedTuple


class Frame(NamedTuple):
    """The header of a frame (RFC 6455 §5.2), with offsets from the frame's first byte."""

    final: bool
    opcode: int
    extended: int  # the end of the extended length; 2 without one
    mask: int  # the end of the masking key; `extended` without one
    end: int

    @property
    def masked(self) -> bool:
        return self.mask > self.extended


def frame_at_start(data: bytes | bytearray) -> Frame | None:
    """Return the header of the frame at the start of `data`; None if it is incomplete."""
    if len(data) < 2:
        return None
    size, extended = data[1] & 0x7F, 2
    if size > 125:
        extended = 4 if size == 126 else 10
        size = int.from_bytes(data[2:extended], "big")
    mask = extended + (4 if data[1] & 0x80 else 0)
    if len(data) < mask:
        return None
    return Frame(bool(data[0] & 0x80), data[0] & 0x0F, extended, mask, mask + size)


def frame_end(data: bytes | bytearray) -> int | None:
    """Return the end of the first frame, perhaps past the end of `data`; None: not known yet."""
    frame = frame_at_start(data)
    return None if frame is None else frame.end


def chunk_end(data: bytes | bytearray) -> int | None:
    """Return the end of the first chunk, with its CRLF (RFC 9112 §7.1); None: not known yet.

    Raise `ValueError` for an invalid chunk.
    """
    end = data.find(b"\r\n", 0, 64)
    if end < 0:
        if len(data) >= 64:
            raise ValueError(f"expected a chunk size; got {bytes(data[:64])!r}")
        return None
    return end + 2 + int(bytes(data[:end]).partition(b";")[0], 16) + 2


def unmask(data: bytes, key: bytes) -> bytes:
    """Unmask or mask `data` (RFC 6455 §5.3)."""
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(data))


def unmasked(frame: bytes) -> bytes:
    """Return the payload of a client's frame. Raise `ValueError` if it is not masked."""
    header = frame_at_start(frame)
    if header is None or not header.masked:
        raise ValueError(f"expected a masked frame (RFC 6455 §5.1); got {frame[:80]!r}")
    return unmask(frame[header.mask :], frame[header.extended : header.mask])


def header_fields(head: bytes) -> dict[bytes, bytes]:
    """Return the fields of a head, in lower case; of repeated fields, the last."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return {name.strip().lower(): value.strip().lower() for name, _, value in lines}


def inflated(carrier: bytes) -> bytes:
    """Return the decompressed gzip member in a chunk; empty without one."""
    start = carrier.find(b"\x1f\x8b")
    if start < 0:
        return b""
    try:
        return zlib.decompressobj(wbits=31).decompress(carrier[start:])
    except zlib.error:
        return b""
