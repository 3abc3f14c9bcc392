"""How HTTP and WebSocket frame what they carry: heads, chunks, frames, gzip members."""

from __future__ import annotations

import zlib
from typing import NamedTuple


class Frame(NamedTuple):
    """A frame of RFC 6455 §5.2: where its pieces end, from its first byte on."""

    final: bool
    opcode: int
    extended: int  # the end of the extended length; 2 where there is none
    mask: int  # the end of the masking key; the same as `extended` where there is none
    end: int

    @property
    def masked(self) -> bool:
        return self.mask > self.extended


def frame_at_start(data: bytes | bytearray) -> Frame | None:
    """The frame that `data` begins with; None while its header is not whole."""
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
    """Where the first frame ends, which may be past what there is; None: not known yet."""
    frame = frame_at_start(data)
    return None if frame is None else frame.end


def chunk_end(data: bytes | bytearray) -> int | None:
    """Where the first chunk ends, its CRLF included (RFC 9112 §7.1); None: not known yet.

    Raises `ValueError` for what is no chunk.
    """
    end = data.find(b"\r\n", 0, 64)
    if end < 0:
        if len(data) >= 64:
            raise ValueError("no chunk size where one belongs")
        return None
    return end + 2 + int(bytes(data[:end]).partition(b";")[0], 16) + 2


def unmask(data: bytes, key: bytes) -> bytes:
    """RFC 6455 §5.3; masking is its own inverse."""
    return bytes(byte ^ key[place % 4] for place, byte in enumerate(data))


def unmasked(frame: bytes) -> bytes:
    """The payload of a client's frame."""
    found = frame_at_start(frame)
    if found is None or not found.masked:
        raise ValueError("A client's frame is masked (RFC 6455 §5.1).")
    return unmask(frame[found.mask :], frame[found.extended : found.mask])


def header_fields(head: bytes) -> dict[bytes, bytes]:
    """The fields of a head by their lower-case names; of those that repeat the last."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    return {name.strip().lower(): value.strip().lower() for name, _, value in lines}


def inflated(carrier: bytes) -> bytes:
    """What the gzip member in a chunk holds; nothing if there is none."""
    start = carrier.find(b"\x1f\x8b")
    if start < 0:
        return b""
    try:
        return zlib.decompressobj(wbits=31).decompress(carrier[start:])
    except zlib.error:
        return b""
