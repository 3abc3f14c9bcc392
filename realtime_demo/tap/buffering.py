"""Buffering of chunked responses, as by a proxy."""

from __future__ import annotations

LAST_CHUNK = b"0\r\n\r\n"  # RFC 9112 §7.1


class Buffer:
    """A buffer that collects a chunked response until `most` bytes are held or the response ends.

    Responses with a Content-Length are passed on at once: a proxy can see their end.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def add(self, data: bytes, most: int) -> bytes:
        """Add `data` (empty: end of the connection); return the bytes to pass on."""
        self._held += data
        if not most or not data or len(self._held) >= most or self._held.endswith(LAST_CHUNK):
            return self.release()
        if self._held.startswith(b"HTTP/1.1 "):
            head, blank, _ = bytes(self._held).partition(b"\r\n\r\n")
            if blank and b"transfer-encoding: chunked" not in head.lower():
                return self.release()
        return b""

    def release(self) -> bytes:
        """Return all bytes held, and clear the buffer."""
        held = bytes(self._held)
        self._held.clear()
        return held
