"""What a buffering proxy does to a response that has no end."""

from __future__ import annotations

LAST_CHUNK = b"0\r\n\r\n"  # RFC 9112 §7.1


class Buffer:
    """Collects a chunked response until there is enough of it, or it has ended.

    Another response, whose end a proxy sees from its Content-Length, is passed on as it comes.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def add(self, data: bytes, most: int) -> bytes:
        """What goes on when `data` has come; empty `data` is the end of the connection."""
        self._held += data
        if not most or not data or len(self._held) >= most or self._held.endswith(LAST_CHUNK):
            return self.release()
        if self._held.startswith(b"HTTP/1.1 "):
            head, blank, _ = bytes(self._held).partition(b"\r\n\r\n")
            if blank and b"transfer-encoding: chunked" not in head.lower():
                return self.release()
        return b""

    def release(self) -> bytes:
        """All that is held."""
        held = bytes(self._held)
        self._held.clear()
        return held
