"""A wire tap: a TCP relay that counts, delays, cuts, stalls and remembers.

    async with Tap("127.0.0.1", 8000, network=Network.of(rtt=0.1)) as tap:
        ...  # a client of tap.url
        tap.total.down, tap.total.requests
        tap.cut()

Bytes are counted where they cross the client's end of the wire, TCP payload alone, so
that they are what a packet capture beside the client would show.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from .network import Network
from .records import Counts
from .relay import Connection, Direction, End

__all__ = ["Connection", "Counts", "Direction", "Network", "Tap"]


class Tap:
    """Relays connections to `host`:`port` through `network`, from a port of its own.

    `label` names what is counted together: a name for every connection, or a function of
    the request target (`/polling/lobby/?since=…`), asked again at each request of a
    connection. `cut_after` and `stall_after` map a connection's number (0, 1, 2 … in the
    order they came) to the bytes down after which, exactly, it is cut or stalled; 0 means
    at the server's first byte. Both may be changed at any time, as may `network`, which may
    be a function of the label.

    Memory is bounded for each connection: `keep` bytes remembered each way, and `window`
    bytes in flight each way, past which the sender is held back. The window limits
    throughput to window / delay (16 MiB at 100 ms: 160 MB/s). `observe`, if given, is
    called as (connection, direction, data) with what crosses, as it crosses.

    `hold_back(label)` makes a buffering proxy of it: so many bytes of a chunked response are
    collected before any of them go on (0: none), as are fewer at the response's end. With
    `proxy_protocol` the server is told first whose connection it is, which is not counted.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        network: Network | Callable[[str], Network] | None = None,
        label: str | Callable[[str], str] = "all",
        cut_after: dict[int, int] | None = None,
        stall_after: dict[int, int] | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        keep: int = 16 * 1024,
        window: int = 16 * 1024 * 1024,
        observe: Callable[[Connection, Direction, bytes], None] | None = None,
        hold_back: Callable[[str], int] = lambda label: 0,
        proxy_protocol: bool = False,
    ) -> None:
        self.target = (host, port)
        self.network: Network | Callable[[str], Network] = network or Network()
        self.label = label
        self.cut_after = cut_after if cut_after is not None else {}
        self.stall_after = stall_after if stall_after is not None else {}
        self.listen = listen
        self.keep = keep
        self.window = window
        self.observe = observe
        self.hold_back = hold_back
        self.proxy_protocol = proxy_protocol
        self.counts: dict[str, Counts] = {}
        self.connections: list[Connection] = []
        self.closed: deque[Connection] = deque(maxlen=64)
        self.accepted = 0
        self._server: asyncio.Server | None = None
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
            connection.abort()
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
        """The network that a connection of `label` goes through."""
        return self.network if isinstance(self.network, Network) else self.network(label)

    @property
    def total(self) -> Counts:
        return sum(self.counts.values(), Counts())

    def count(self, label: str) -> Counts:
        """The counts kept under `label`, made when new."""
        return self.counts.setdefault(label, Counts())

    def labelled(self, label: str | None) -> list[Connection]:
        """The open connections, or those of them that bear `label`."""
        return [c for c in self.connections if label is None or c.label == label]

    def cut(self, label: str | None = None) -> int:
        """Reset the open connections (of `label`, if given) at both ends; says how many."""
        connections = self.labelled(label)
        for connection in connections:
            connection.cut()
        return len(connections)

    def stall(self, label: str | None = None) -> int:
        """Let nothing cross the open connections any more, and tell neither end.

        To both it looks as when a NAT has forgotten the connection: half-open. What comes
        later is held until `resume`. New connections are not touched.
        """
        connections = self.labelled(label)
        for connection in connections:
            connection.stall()
        return len(connections)

    def resume(self, label: str | None = None) -> None:
        """Let stalled connections go on, with nothing lost."""
        for connection in self.labelled(label):
            connection.resume()

    def release(self) -> None:
        """Let go on what `hold_back` has held back."""
        for connection in self.connections:
            connection.release()

    def remove(self, connection: Connection) -> None:
        """Called by a connection whose client's end is gone."""
        if connection in self.connections:
            self.connections.remove(connection)
            self.closed.append(connection)
        if not self.connections:
            self._idle.set()
