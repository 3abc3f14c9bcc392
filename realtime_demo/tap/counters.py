"""What the wire tap knows of a connection: counts, and the last bytes each way."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

PIECES = 1_024  # kept each way of a connection, however small they are


@dataclass
class Counts:
    """What has crossed: bytes of TCP payload each way, connections, HTTP requests.

    A request is counted where a piece from the client begins with a request line. That
    is exact for a client that writes each request head at once and does not pipeline, as
    browsers and httpx do.
    """

    up: int = 0
    down: int = 0
    connections: int = 0
    requests: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(a - b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def astuple(self) -> tuple[int, int, int, int]:
        return self.up, self.down, self.connections, self.requests


class Piece(NamedTuple):
    """Bytes that crossed together, and when (the event loop's clock, seconds)."""

    time: float
    data: bytes


@dataclass
class Record:
    """The last bytes of one direction, and the first since the last request began."""

    limit: int
    first: bytearray = field(default_factory=bytearray)
    pieces: deque[Piece] = field(default_factory=deque)
    size: int = 0

    def add(self, time: float, data: bytes) -> None:
        if (room := self.limit - len(self.first)) > 0:
            self.first += data[:room]
        self.pieces.append(Piece(time, data[-self.limit :]))
        self.size += len(self.pieces[-1].data)
        while self.size > self.limit or len(self.pieces) > PIECES:
            self.size -= len(self.pieces.popleft().data)

    @property
    def head(self) -> bytes:
        """The HTTP head of the last request or response, with its blank line if kept."""
        head, blank, _ = bytes(self.first).partition(b"\r\n\r\n")
        return head + blank
