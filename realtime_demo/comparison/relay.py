"""One relayed connection: two sockets and a pipe each way between them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import re
import socket
import struct
import sys
import termios
from collections import deque
from typing import TYPE_CHECKING, Literal, cast

from realtime_demo import proxy_protocol

from .buffering import Buffer
from .network import SEGMENT, Link, Schedule
from .records import Counts, Record

if TYPE_CHECKING:
    from .tap import Tap

Direction = Literal["up", "down"]

QUEUE = 64 * 1024  # bytes that may wait for bandwidth before the sender is held back
# The event loop's timers are late by up to 2 ms, as asyncio and then epoll each round up to
# a whole millisecond: aim so much earlier that a delay is right on average.
TICK = 0.00075
ACKNOWLEDGED = 0.001  # seconds until a cut looks again whether all has arrived
RESET = struct.pack("ii", 1, 0)  # SO_LINGER 0: close with RST and drop what is unsent
_REQUEST_LINE = re.compile(rb"[A-Z]{3,16} (\S+) HTTP/1\.[01]\r\n")


class Connection:
    """One relayed connection, with its own counts and its last bytes each way."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.number = -1
        self.label = tap.label if isinstance(tap.label, str) else ""
        self.opened = 0.0
        self.counts = Counts(connections=1)
        self.up = Record(tap.keep)
        self.down = Record(tap.keep)
        self.target = ""  # of the last request
        self.stalled = False
        self.cutting = False
        self.pipes: dict[Direction, Pipe] = {}

    @property
    def open(self) -> bool:
        return self in self.tap.connections

    def cut(self) -> None:
        """Reset both ends now; what is in flight is lost."""
        self.cutting = True
        for pipe in self.pipes.values():
            pipe.reset()

    abort = cut

    def stall(self) -> None:
        self.stalled = True
        for pipe in self.pipes.values():
            pipe.flow()

    def resume(self) -> None:
        self.stalled = False
        for pipe in self.pipes.values():
            pipe.pump()

    def release(self) -> None:
        for pipe in self.pipes.values():
            pipe.release()

    # --- called by the ends -------------------------------------------------------------
    def accepted(self, client: asyncio.Transport) -> None:
        tap = self.tap
        self.number, tap.accepted = tap.accepted, tap.accepted + 1
        self.opened = asyncio.get_running_loop().time()
        tap.connections.append(self)
        if self.label:
            tap.count(self.label).connections += 1
        client.pause_reading()
        self.pipes["up"] = Pipe(self, "up", client)
        task = asyncio.get_running_loop().create_task(self._connect())
        tap._connecting.add(task)
        task.add_done_callback(tap._connecting.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: End(self, "down"), *self.tap.target)
        except OSError:
            self.cut()  # as far as the client can tell, there is no server

    def connected(self, server: asyncio.Transport) -> None:
        up = self.pipes["up"]
        down = self.pipes["down"] = Pipe(self, "down", server)
        up.sink, down.sink = server, up.source
        if self.cutting or up.source.is_closing():
            server.abort()
            return
        # A client may send only after the handshake's round trip (RFC 9293 §3.5), which
        # the kernel of this host has answered for the far end.
        self._shake_hands()
        if self.tap.proxy_protocol:
            ends = (up.source.get_extra_info(name) for name in ("peername", "sockname"))
            server.write(proxy_protocol.header(*ends))
        up.flow()

    def _shake_hands(self) -> None:
        self.pipes["up"].not_before = self.opened + self.tap.network_of(self.label).rtt

    def begins(self, data: bytes) -> None:
        """Note the request that `data` from the client begins, if it does."""
        match = _REQUEST_LINE.match(data)
        if match is None:
            return
        self.target = match[1].decode("latin-1")
        self.up.first.clear()
        self.down.first.clear()
        if not isinstance(self.tap.label, str):
            first, self.label = not self.label, self.tap.label(self.target)
            self.tap.count(self.label).connections += first
            if first:
                self._shake_hands()
        self.counts.requests += 1
        self.tap.count(self.label).requests += 1

    def crossed(self, direction: Direction, data: bytes) -> None:
        """Count and remember what crosses the client's end of the wire."""
        size = len(data)
        if direction == "up":
            self.begins(data)
            self.counts.up += size
            self.tap.count(self.label).up += size
            self.up.add(asyncio.get_running_loop().time(), data)
        else:
            self.counts.down += size
            self.tap.count(self.label).down += size
            self.down.add(asyncio.get_running_loop().time(), data)
        if self.tap.observe is not None:
            self.tap.observe(self, direction, data)

    def allowed(self, size: int) -> int:
        """How many of the next `size` bytes down may cross before a cut or a stall."""
        for limits in (self.tap.cut_after, self.tap.stall_after):
            if (limit := limits.get(self.number)) is not None:
                size = min(size, max(0, limit - self.counts.down))
        return size

    def lost(self, direction: Direction, error: Exception | None) -> None:
        """The client's end ("up") or the server's ("down") is gone."""
        pipe = self.pipes.get(direction)
        if pipe is not None:
            pipe.source_lost(error)
        back = self.pipes.get("down" if direction == "up" else "up")
        if back is not None:
            back.sink_lost()
        if direction == "up":
            self.tap.remove(self)
            if self.cutting:  # who left while a cut waited: the server's end is reset still
                self.cut()


class End(asyncio.Protocol):
    """The socket at one end; what it receives travels in `direction`."""

    def __init__(self, connection: Connection, direction: Direction) -> None:
        self.connection = connection
        self.direction = direction
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(0)  # "writable" means that all is written
        if self.direction == "up":
            self.connection.accepted(self.transport)
        else:
            self.connection.connected(self.transport)

    def data_received(self, data: bytes) -> None:
        self.connection.pipes[self.direction].receive(data)

    def eof_received(self) -> bool:
        self.connection.pipes[self.direction].receive(b"")
        return True  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.lost(self.direction, exc)

    def pause_writing(self) -> None:
        self._inbound().writable(False)

    def resume_writing(self) -> None:
        self._inbound().writable(True)

    def _inbound(self) -> Pipe:
        """The pipe that writes to this end."""
        return self.connection.pipes["down" if self.direction == "up" else "up"]


class Pipe:
    """One direction of a connection: from `source`, through the network, to `sink`.

    In the queue, empty bytes are the end of the stream (FIN), None a reset (RST).
    """

    def __init__(
        self, connection: Connection, direction: Direction, source: asyncio.Transport
    ) -> None:
        self.connection = connection
        self.direction: Direction = direction
        self.source = source
        self.sink: asyncio.Transport | None = None
        self.not_before = 0.0
        self._loop = asyncio.get_running_loop()
        self._schedule = Schedule()
        self._buffer = Buffer()
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True
        self.ended = False

    @property
    def link(self) -> Link:
        network = self.connection.tap.network_of(self.connection.label)
        return network.up if self.direction == "up" else network.down

    def receive(self, data: bytes) -> None:
        """Take what `source` has sent; empty: it will send no more."""
        if self.direction == "up" and data:
            self.connection.crossed("up", data)
        if self.direction == "down":
            most = self.connection.tap.hold_back(self.connection.label)
            if most or self._buffer.holds:
                if held := self._buffer.add(data, most):
                    self._travel(held)
                if data:
                    return
        self._travel(data)

    def release(self) -> None:
        """Let what was held back go on."""
        if held := self._buffer.release():
            self._travel(held)

    def _travel(self, data: bytes) -> None:
        """Put `data` on its way; empty: the end of the stream."""
        now = self._loop.time()
        link = self.link
        start = max(now, self.not_before)
        if link.transparent and not self._queue and start <= now and not self.connection.stalled:
            self._deliver(data)
            return
        step = len(data) if math.isinf(link.bandwidth) else SEGMENT
        for place in range(0, len(data), step or 1):
            piece = data[place : place + step]
            self._queue.append((self._schedule.arrival(link, start, len(piece)), piece))
        if not data:
            self._queue.append((self._schedule.arrival(link, start, 0), b""))
        self._in_flight += len(data)
        self.pump()

    def pump(self) -> None:
        """Deliver what is due, and arrange for the next piece."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while self._queue and not self.connection.stalled and self._writable:
            due, data = self._queue[0]
            if due - TICK > now:
                self._timer = self._loop.call_at(due - TICK, self.pump)
                break
            self._queue.popleft()
            self._in_flight -= len(data or b"")
            self._deliver(data)
        self.flow()

    def _deliver(self, data: bytes | None) -> None:
        sink, connection = self.sink, self.connection
        if sink is None or sink.is_closing() or connection.cutting:
            return
        if data is None:
            connection.cut()
        elif not data:
            self.ended = True
            # A sink that was reset during a stall: we have not heard of it yet.
            with contextlib.suppress(OSError):
                sink.write_eof()
            if all(pipe.ended for pipe in connection.pipes.values()):
                sink.close()
                self.source.close()
        elif self.direction == "up":
            sink.write(data)
        elif (tap := connection.tap).cut_after or tap.stall_after:
            self._deliver_up_to_limit(data)
        else:
            sink.write(data)
            connection.crossed("down", data)

    def _deliver_up_to_limit(self, data: bytes) -> None:
        connection, stall_after = self.connection, self.connection.tap.stall_after
        assert self.sink is not None
        size = connection.allowed(len(data))
        if size:
            self.sink.write(data[:size])
            connection.crossed("down", data[:size])
        self._cut_if_due()
        limit = stall_after.get(connection.number)
        if not connection.cutting and limit is not None and connection.counts.down >= limit:
            del stall_after[connection.number]  # so that it can be resumed
            if data[size:]:
                self._queue.appendleft((0.0, data[size:]))
                self._in_flight += len(data) - size
            connection.stall()

    def _cut_if_due(self) -> None:
        """Cut at the limit, once what may cross has arrived.

        A reset drops what the kernel still has to send (RFC 9293 §3.10.5).
        """
        limit = self.connection.tap.cut_after.get(self.connection.number)
        if limit is None or self.connection.counts.down < limit:
            return
        self.connection.cutting = True  # nothing crosses any more
        if not self._writable:
            return
        if self.sink is not None and not self.sink.is_closing() and _unacknowledged(self.sink):
            self._loop.call_later(ACKNOWLEDGED, self._cut_if_due)
        else:
            self.connection.cut()

    def flow(self) -> None:
        """Read from `source` only while there is room for what it sends."""
        now = self._loop.time()
        full = (
            self.sink is None
            or self.connection.stalled
            or not self._writable
            or self._in_flight > self.connection.tap.window
            # Only what is queued comes due, and looks here again.
            or (bool(self._queue) and self._schedule.queued(self.link, now) > QUEUE)
        )
        if self.source.is_closing():
            return
        if full and self.source.is_reading():
            self.source.pause_reading()
        elif not full and not self.source.is_reading():
            self.source.resume_reading()

    def writable(self, yes: bool) -> None:
        self._writable = yes
        if yes:
            if self.direction == "down":
                self._cut_if_due()
            self.pump()
        else:
            self.flow()

    def source_lost(self, error: Exception | None) -> None:
        """Pass on that the source is gone: what it sent first still travels."""
        if self.connection.cutting or self.sink is None:
            return
        self.release()
        link, now = self.link, self._loop.time()
        self._queue.append((self._schedule.arrival(link, now, 0), None if error else b""))
        self.pump()

    def sink_lost(self) -> None:
        """Nobody is left to deliver to."""
        self._queue.clear()
        self._in_flight = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reset(self) -> None:
        self.sink_lost()
        for transport in (self.source, self.sink):
            if transport is not None:
                with contextlib.suppress(OSError):  # closed already
                    transport.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, RESET
                    )
                transport.abort()


def _unacknowledged(transport: asyncio.Transport) -> int:
    """The bytes that the kernel has taken and the far end has not acknowledged."""
    try:
        answer = fcntl.ioctl(
            transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)
        )
    except OSError:  # closed already, or a kernel that does not say
        return 0
    return int.from_bytes(answer, sys.byteorder)
