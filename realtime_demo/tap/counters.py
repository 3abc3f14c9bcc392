"""A connection's counts, and its last bytes in each direction."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

PIECES = 1_024  # maximum kept for each direction of a connection


@dataclass
class Counts:
    """Counts of bytes of TCP payload in each direction, connections, and HTTP requests.

    A request is counted if a piece from the client begins with a request line. That is exact for
    clients that write each request head at once and do not pipeline, such as browsers and httpx.
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
    """Bytes that crossed the tap together, and their time (the event loop's clock, seconds)."""

    time: float
    data: bytes


@dataclass
class Record:
    """The last bytes of one direction, and the first bytes since the start of the last request."""

    limit: int
    first: bytearray = field(default_factory=bytearray)
    pieces: deque[Piece] = field(default_factory=deque)
    size: int = 0

    def add(self, time: float, data: bytes) -> None:
        if (space := self.limit - len(self.first)) > 0:
            self.first += data[:space]
        self.pieces.append(Piece(time, data[-self.limit :]))
        self.size += len(self.pieces[-1].data)
        while self.size > self.limit or len(self.pieces) > PIECES:
            self.size -= len(self.pieces.popleft().data)

    @property
    def head(self) -> bytes:
        """The HTTP head of the last request or response, with its blank line if recorded."""
        head, blank, _ = bytes(self.first).partition(b"\r\n\r\n")
        return head + blank
