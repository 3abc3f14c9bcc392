"""Recordings of the techniques' connections: heads, and complete chunks, frames and bodies.

They show which bytes carried an event. A *carrier* is a chunk, a frame or a body.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from realtime_demo.tap.proxy import Connection, Direction
from transports.registry import BY_NAME

from .parsing import chunk_end, frame_end, header_fields, inflated

MOST = 1024 * 1024  # bytes recorded of a connection
LEAST = 64 * 1024  # bytes recorded of a connection if there are many
TOTAL = 128 * 1024 * 1024  # bytes recorded of all connections, roughly
CONNECTIONS = 1_000  # number of recordings; beyond it, closed connections' are discarded
LONGEST = 16 * 1024 * 1024  # bytes of a carrier
HEAD = 64 * 1024  # bytes of a head

Measure = Callable[[bytearray], int | None]


class Splitter:
    """A parser that splits the bytes of one direction into a head and carriers.

    `measure` returns the end of the first carrier. Without it, the bytes begin with a head, which
    determines it. `lost` is true after invalid bytes.
    """

    def __init__(self, measure: Measure | None = None) -> None:
        self.head = b""
        self._measure = measure
        self._rest = bytearray()
        self.lost = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the carriers that `data` completes."""
        if self.lost:
            return
        self._rest += data
        try:
            if self._measure is None:
                self._take_head()
            while self._rest and (end := self._end()) is not None:
                carrier = bytes(self._rest[:end])
                del self._rest[:end]
                yield carrier
        except ValueError:  # invalid or too long
            self.lost = True
            self._rest.clear()

    def _end(self) -> int | None:
        """Return the end of the first carrier; None if it is incomplete."""
        end = self._measure(self._rest) if self._measure is not None else None
        if end is None:
            return None
        if not 0 < end <= LONGEST:
            raise ValueError(f"expected a carrier of 1 to {LONGEST} bytes; got {end}")
        return end if end <= len(self._rest) else None

    def _take_head(self) -> None:
        end = self._rest.find(b"\r\n\r\n") + 4
        if end >= 4:
            self.head = bytes(self._rest[:end])
            del self._rest[:end]
            self._measure = measure_of(self.head)
        elif len(self._rest) > HEAD:
            raise ValueError(f"expected a head of at most {HEAD} bytes; got {len(self._rest)}")


def measure_of(head: bytes) -> Measure:
    """Return the function that finds the end of a carrier after this head (RFC 9112 §6.3)."""
    if head.startswith(b"HTTP/1.1 101"):
        return frame_end
    fields = header_fields(head)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return chunk_end
    length = int(fields.get(b"content-length", b"0"))
    return lambda rest: length


@dataclass
class Exchange:
    """A request, the head of its response, and the client's last text frame."""

    technique: str
    target: str
    request_head: bytes = b""
    response: Splitter = field(default_factory=Splitter)
    frames: Splitter = field(default_factory=lambda: Splitter(frame_end))  # from the client
    sent: bytes = b""  # the last text frame from the client


class Recording:
    """The carriers of one connection, each with its exchange; the oldest are discarded first.

    The size of an exchange's first carrier includes the heads.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.carriers: deque[tuple[Exchange, bytes, int]] = deque()  # with their sizes
        self.size = 0
        self.requests = 0  # of the connection, when `observe` was last called
        self.current: Exchange | None = None

    def add(self, exchange: Exchange, direction: Direction, data: bytes) -> None:
        if direction == "down":
            for carrier in exchange.response.feed(data):
                size = len(carrier)
                if not self.carriers or self.carriers[-1][0] is not exchange:
                    size += len(exchange.request_head) + len(exchange.response.head)
                self.carriers.append((exchange, carrier, size))
                self.size += size
        elif exchange.response.head:  # after the WebSocket handshake
            for frame in exchange.frames.feed(data):
                if frame[0] & 0x0F == 1 and frame[1] & 0x80:  # text, masked
                    exchange.sent = frame
        elif len(exchange.request_head) < HEAD:
            exchange.request_head += data

    def discard(self, most: int) -> None:
        """Discard the oldest carrier while more than `most` bytes follow it.

        A carrier that is longer than `most`, such as a room's whole history in one frame, is
        kept until enough bytes follow it.
        """
        while self.carriers and self.size - self.carriers[0][2] > most:
            self.size -= self.carriers.popleft()[2]


class Recorder:
    """The recordings of all connections, including closed ones up to the limits."""

    def __init__(self) -> None:
        self.recordings: dict[Connection, Recording] = {}

    def observe(self, connection: Connection, direction: Direction, data: bytes) -> None:
        """Record bytes as they cross the tap (its `observe`)."""
        recording = self.recordings.get(connection)
        if recording is None:
            if connection.label not in BY_NAME:
                return
            recording = self._add(connection)
        if recording.requests != connection.counts.requests:  # `data` begins a request
            recording.requests = connection.counts.requests
            recording.current = None
            if connection.label in BY_NAME:
                recording.current = Exchange(connection.label, connection.target)
        if recording.current is not None:
            recording.add(recording.current, direction, data)
            recording.discard(max(LEAST, min(MOST, TOTAL // len(self.recordings))))

    def _add(self, connection: Connection) -> Recording:
        size = sum(recording.size for recording in self.recordings.values())
        if size > TOTAL - MOST or len(self.recordings) >= CONNECTIONS:
            for closed in [each for each in self.recordings if not each.open]:
                del self.recordings[closed]
        recording = self.recordings[connection] = Recording(connection.client[0])
        return recording

    def find(self, technique: str, needle: bytes, address: str) -> tuple[Exchange, bytes] | None:
        """Return the exchange and the carrier that last brought `needle` to `address`."""
        for recording in reversed(self.recordings.values()):
            if recording.address != address:
                continue
            for exchange, carrier, _size in reversed(recording.carriers):
                if exchange.technique == technique and (
                    needle in carrier or needle in inflated(carrier)
                ):
                    return exchange, carrier
        return None
