"""A client that never reads, on a busy stream or socket: what the server keeps for it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from benchmarks.contestants import Contestant
from benchmarks.framing import text_of
from benchmarks.ledger import Ledger
from benchmarks.publishers import http_publisher
from benchmarks.servers import Server
from benchmarks.subscribers import audience

TEXT = "한" * 1_990  # with its number, as long as an event's text may be: 6 kB
HISTORY_FILLED = 1_300  # events after which history and tail are as full as they get
RECEIVE_BUFFER = 4_096  # bytes that the client's side of the connection takes
STEP = 100  # events between two looks at the memory
CATCHING_UP = 20.0  # seconds


@dataclass(frozen=True)
class Stalled:
    """`sent` bytes were published while the client did not read; `growth` is in bytes, at most.

    The ledger is that of another client, who read all the while. The one that did not is made to
    read on at the end, and has to be brought up to the last event.
    """

    contestant: str
    program: str
    sent: int
    growth: int
    ledger: Ledger
    failures: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        return self.ledger.clean and not self.failures


async def stalled(server: Server, contestant: Contestant, events: int, room: str) -> Stalled:
    """Publish `events` to a client that reads and to one that does not."""

    def text(number: int) -> str:
        return text_of(number, TEXT)

    framing = contestant.framed(server.port, room)
    failures: list[str] = []
    async with (
        audience(framing, server.port, 1) as listeners,
        http_publisher(server.port, room, text) as publisher,
    ):

        async def publish(count: int) -> int:
            """Return the most memory seen, in bytes."""
            most = 0
            for _ in range(count // STEP):
                for _ in range(STEP):
                    await publisher.publish()
                await publisher.accepted()
                await listeners.complete(publisher.published)
                most = max(most, server.resident)
            return most

        before = await publish(HISTORY_FILLED)
        client = await _open(server.port, framing.request)
        try:
            most = await publish(events)
            last = text_of(publisher.published - 1, "").encode()
            if not await _brings(client, last):
                failures.append("the client that had not read was given up")
        finally:
            client.close()
        return Stalled(
            contestant.name,
            contestant.program.module,
            events * len(text(0).encode()),
            max(0, most - before),
            listeners.ledger(publisher.published),
            (*failures, *listeners.failures),
        )


async def _open(port: int, request: bytes) -> socket.socket:
    """A connection that has brought the first of its response, and that nobody reads on."""
    client = socket.socket()
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, request)
    await loop.sock_recv(client, 64)
    return client


async def _brings(client: socket.socket, last: bytes) -> bool:
    """Whether reading on brings `last`, before the connection ends or goes silent."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    loop = asyncio.get_running_loop()
    end = b""
    try:
        async with asyncio.timeout(CATCHING_UP):
            while data := await loop.sock_recv(client, 1 << 18):
                if last in end + data:
                    return True
                end = data[-len(last) :]
    except (TimeoutError, ConnectionError):
        pass
    return False
