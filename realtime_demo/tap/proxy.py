"""A TCP proxy that counts, delays, cuts and stalls the bytes that cross it.

    async with Tap("127.0.0.1", 8000, network=Network.of(rtt=0.1)) as tap:
        ...  # a client of tap.url
        tap.total.down, tap.total.requests
        tap.cut()

Counts are of TCP payload at the client's end of the connection, as a packet capture on the
client's machine would show it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import operator
import re
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Literal, cast

from .network import SEGMENT, Buffer, Link, Network, Schedule

Direction = Literal["up", "down"]

QUEUE = 64 * 1024  # bytes that may wait for bandwidth before reading from the sender pauses
# The event loop's timers are late by up to 2 ms, since asyncio and epoll each round up to a
# whole millisecond: schedule this much earlier, so that delays are correct on average.
TICK = 0.00075
ACKNOWLEDGED = 0.001  # seconds until a cut checks again for unacknowledged bytes
RESET = struct.pack("ii", 1, 0)  # SO_LINGER 0: close with RST and drop unsent bytes
_REQUEST_LINE = re.compile(rb"[A-Z]{3,16} (\S+) HTTP/1\.[01]\r\n")


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
        return Counts(*map(operator.add, astuple(self), astuple(other)))

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*map(operator.sub, astuple(self), astuple(other)))


class Tap:
    """A relay from its own port to `host`:`port`, through `network`.

    `label` groups the counts: a name for every connection, or a function of the request target
    (`/polling/lobby/?since=…`), called for each request of a connection. `cut_after` maps a
    connection's number (0, 1, 2 … in order of arrival) to the exact number of bytes down after
    which it is cut; 0 means at the server's first byte. It may be changed at any time, as may
    `network`, which may be a function of the label.

    Memory is bounded: `window` bytes may be in flight on a connection; beyond that, reading from
    the sender pauses. The window limits throughput to window / delay (16 MiB at 100 ms: 160 MB/s).
    `observe`, if given, is called as (connection, direction, data) for bytes as they cross.

    `hold_back(label)` makes the tap a buffering proxy: it collects this many bytes of a chunked
    response before it passes them on (0: no buffering), or all bytes at the response's end.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        network: Network | Callable[[str], Network] | None = None,
        label: str | Callable[[str], str] = "all",
        cut_after: dict[int, int] | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        window: int = 16 * 1024 * 1024,
        observe: Callable[[Connection, Direction, bytes], None] | None = None,
        hold_back: Callable[[str], int] = lambda label: 0,
    ) -> None:
        self.target = (host, port)
        self.network: Network | Callable[[str], Network] = network or Network()
        self.label = label
        self.cut_after = cut_after if cut_after is not None else {}
        self.listen = listen
        self.window = window
        self.observe = observe
        self.hold_back = hold_back
        self.counts: dict[str, Counts] = {}
        self.connections: list[Connection] = []
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._upstream: dict[int, Connection] = {}  # by the local port of the server's end
        self._connecting: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()

    async def __aenter__(self) -> Tap:
        loop = asyncio.get_running_loop()
        host, port = self.listen
        self._server = await loop.create_server(
            lambda: End(Connection(self), "up"), host, port, backlog=1_024
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self.connections):
            connection.cut()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await self._server.wait_closed()
        if self.connections:
            await self._idle.wait()

    @property
    def port(self) -> int:
        assert self._server is not None, "The tap listens inside `async with`."
        return cast(int, self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://{self.listen[0]}:{self.port}"

    def network_of(self, label: str) -> Network:
        """Return the network for connections of `label`."""
        return self.network if isinstance(self.network, Network) else self.network(label)

    def client_of(self, port: int) -> tuple[str, int] | None:
        """Return the address of the client whose connection leaves the tap from `port`.

        For the server, `port` is its peer's port. The address is available from before the
        client's first byte reaches the server until the connection to the server is closed.
        """
        connection = self._upstream.get(port)
        return connection.client if connection is not None else None

    @property
    def total(self) -> Counts:
        return sum(self.counts.values(), Counts())

    def count(self, label: str) -> Counts:
        """Return the counts of `label`, created if new."""
        return self.counts.setdefault(label, Counts())

    def labelled(self, label: str | None) -> list[Connection]:
        """Return the open connections, or those with `label`."""
        return [c for c in self.connections if label is None or c.label == label]

    def cut(self, label: str | None = None) -> int:
        """Reset the open connections (of `label`, if given) at both ends; return how many."""
        connections = self.labelled(label)
        for connection in connections:
            connection.cut()
        return len(connections)

    def stall(self, label: str | None = None) -> int:
        """Stop the open connections silently; return how many.

        Both ends see a half-open connection, as when a NAT drops its entry. Later bytes are held
        until `resume`. New connections are not affected.
        """
        connections = self.labelled(label)
        for connection in connections:
            connection.stall()
        return len(connections)

    def resume(self, label: str | None = None) -> None:
        """Resume stalled connections without loss."""
        for connection in self.labelled(label):
            connection.resume()

    def release(self) -> None:
        """Pass on the bytes that `hold_back` has collected."""
        for connection in self.connections:
            connection.release()

    def remove(self, connection: Connection) -> None:
        """Remove a connection whose client has disconnected; called by the connection."""
        if connection in self.connections:
            self.connections.remove(connection)
        if not self.connections:
            self._idle.set()


class Connection:
    """One relayed connection, with its own counts."""

    def __init__(self, tap: Tap) -> None:
        self.tap = tap
        self.number = -1
        self.client = ("", 0)  # address; empty if the client left before it was accepted
        self.upstream_port = 0
        self.label = tap.label if isinstance(tap.label, str) else ""
        self.opened = 0.0
        self.counts = Counts(connections=1)
        self.crossed: dict[Direction, float] = {}  # when bytes last did, on the loop's clock
        self.target = ""  # of the last request
        self.stalled = False
        self.cutting = False
        self.pipes: dict[Direction, Pipe] = {}

    @property
    def open(self) -> bool:
        return self in self.tap.connections

    def cut(self) -> None:
        """Reset both ends now; bytes in flight are lost."""
        self.cutting = True
        for pipe in self.pipes.values():
            pipe.reset()

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
        self.client = (client.get_extra_info("peername") or self.client)[:2]
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
            self.cut()  # for the client, the server is unreachable

    def connected(self, server: asyncio.Transport) -> None:
        up = self.pipes["up"]
        down = self.pipes["down"] = Pipe(self, "down", server)
        up.sink, down.sink = server, up.source
        if self.cutting or up.source.is_closing():
            server.abort()
            return
        # A client may send only after the handshake's round trip (RFC 9293 §3.5); this host's
        # kernel has completed the handshake without the simulated delay.
        self._simulate_handshake()
        self.upstream_port = server.get_extra_info("sockname")[1]
        self.tap._upstream[self.upstream_port] = self
        up.flow()

    def _simulate_handshake(self) -> None:
        self.pipes["up"].not_before = self.opened + self.tap.network_of(self.label).rtt

    def record_request(self, data: bytes) -> None:
        """Record the request that starts with `data` from the client, if any."""
        match = _REQUEST_LINE.match(data)
        if match is None:
            return
        self.target = match[1].decode("latin-1")
        if not isinstance(self.tap.label, str):
            first, self.label = not self.label, self.tap.label(self.target)
            self.tap.count(self.label).connections += first
            if first:
                self._simulate_handshake()
        self.counts.requests += 1
        self.tap.count(self.label).requests += 1

    def record(self, direction: Direction, data: bytes) -> None:
        """Count bytes at the client's end of the connection."""
        if direction == "up":
            self.record_request(data)
        self.crossed[direction] = asyncio.get_running_loop().time()
        for counts in (self.counts, self.tap.count(self.label)):
            if direction == "up":
                counts.up += len(data)
            else:
                counts.down += len(data)
        if self.tap.observe is not None:
            self.tap.observe(self, direction, data)

    def handle_loss(self, direction: Direction, error: Exception | None) -> None:
        """Handle the loss of the client's end ("up") or the server's end ("down")."""
        pipe = self.pipes.get(direction)
        if pipe is not None:
            pipe.source_lost(error)
        opposite = self.pipes.get("down" if direction == "up" else "up")
        if opposite is not None:
            opposite.sink_lost()
        if direction == "down":
            if self.tap._upstream.get(self.upstream_port) is self:
                del self.tap._upstream[self.upstream_port]
        else:
            self.tap.remove(self)
            if self.cutting:  # the client left while a cut waited: still reset the server's end
                self.cut()


class End(asyncio.Protocol):
    """The socket at one end; bytes received from it travel in `direction`."""

    def __init__(self, connection: Connection, direction: Direction) -> None:
        self.connection = connection
        self.direction = direction
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(0)  # "writable" then means an empty buffer
        if self.direction == "up":
            self.connection.accepted(self.transport)
        else:
            self.connection.connected(self.transport)

    def data_received(self, data: bytes) -> None:
        self.connection.pipes[self.direction].receive(data)

    def eof_received(self) -> bool:
        self.connection.pipes[self.direction].receive(b"")
        return True  # the other direction may continue

    def connection_lost(self, exc: Exception | None) -> None:
        self.connection.handle_loss(self.direction, exc)

    def pause_writing(self) -> None:
        self._inbound().set_writable(False)

    def resume_writing(self) -> None:
        self._inbound().set_writable(True)

    def _inbound(self) -> Pipe:
        """Return the pipe that writes to this end."""
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
        self.queue: deque[tuple[float, bytes | None]] = deque()
        self._in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self.writable = True
        self.ended = False

    @property
    def link(self) -> Link:
        network = self.connection.tap.network_of(self.connection.label)
        return network.up if self.direction == "up" else network.down

    def receive(self, data: bytes) -> None:
        """Receive bytes from `source`; empty: the end of its stream."""
        if self.direction == "up" and data:
            self.connection.record("up", data)
        if self.direction == "down":
            most = self.connection.tap.hold_back(self.connection.label)
            if most or self._buffer.holds:
                if held := self._buffer.add(data, most):
                    self._travel(held)
                if data:
                    return
        self._travel(data)

    def release(self) -> None:
        """Pass on the collected bytes."""
        if held := self._buffer.release():
            self._travel(held)

    def _travel(self, data: bytes) -> None:
        """Send `data` through the network; empty: the end of the stream."""
        now = self._loop.time()
        link = self.link
        start = max(now, self.not_before)
        if link.transparent and not self.queue and start <= now and not self.connection.stalled:
            self._deliver(data)
            return
        step = len(data) if math.isinf(link.bandwidth) else SEGMENT
        for offset in range(0, len(data), step or 1):
            piece = data[offset : offset + step]
            self.queue.append((self._schedule.arrival(link, start, len(piece)), piece))
        if not data:
            self.queue.append((self._schedule.arrival(link, start, 0), b""))
        self._in_flight += len(data)
        self.pump()

    def pump(self) -> None:
        """Deliver the pieces that are due, and schedule the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while self.queue and not self.connection.stalled and self.writable:
            due, data = self.queue[0]
            if due - TICK > now:
                self._timer = self._loop.call_at(due - TICK, self.pump)
                break
            self.queue.popleft()
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
            # The sink may have been reset during a stall, before connection_lost() is called.
            with contextlib.suppress(OSError):
                sink.write_eof()
            if all(pipe.ended for pipe in connection.pipes.values()):
                sink.close()
                self.source.close()
        elif self.direction == "up":
            sink.write(data)
        else:
            limit = connection.tap.cut_after.get(connection.number)
            if limit is not None:
                data = data[: max(0, limit - connection.counts.down)]
            if data:
                sink.write(data)
                connection.record("down", data)
            self.cut_if_due()

    def cut_if_due(self) -> None:
        """Cut at the limit, once the bytes before it have arrived.

        A reset drops the bytes that the kernel has not sent yet (RFC 9293 §3.10.5).
        """
        limit = self.connection.tap.cut_after.get(self.connection.number)
        if limit is None or self.connection.counts.down < limit:
            return
        self.connection.cutting = True  # stops further bytes
        if not self.writable:
            return
        if self.sink is not None and not self.sink.is_closing() and _unacknowledged(self.sink):
            self._loop.call_later(ACKNOWLEDGED, self.cut_if_due)
        else:
            self.connection.cut()

    def flow(self) -> None:
        """Read from `source` only while there is room for its bytes."""
        now = self._loop.time()
        full = (
            self.sink is None
            or self.connection.stalled
            or not self.writable
            or self._in_flight > self.connection.tap.window
            # Only with a queue: its next piece calls `pump`, and so this method, again.
            or (bool(self.queue) and self._schedule.queued(self.link, now) > QUEUE)
        )
        if self.source.is_closing():
            return
        if full and self.source.is_reading():
            self.source.pause_reading()
        elif not full and not self.source.is_reading():
            self.source.resume_reading()

    def set_writable(self, writable: bool) -> None:
        self.writable = writable
        if writable:
            if self.direction == "down":
                self.cut_if_due()
            self.pump()
        else:
            self.flow()

    def source_lost(self, error: Exception | None) -> None:
        """Pass on the end of the source, after the bytes that it sent before."""
        if self.connection.cutting or self.sink is None:
            return
        self.release()
        link, now = self.link, self._loop.time()
        self.queue.append((self._schedule.arrival(link, now, 0), None if error else b""))
        self.pump()

    def sink_lost(self) -> None:
        """Drop the queue, since the sink is closed."""
        self.queue.clear()
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
    """Return the bytes in the kernel that the peer has not acknowledged."""
    try:
        answer = fcntl.ioctl(
            transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4)
        )
    except OSError:  # closed already, or not supported by the kernel
        return 0
    return int.from_bytes(answer, sys.byteorder)
