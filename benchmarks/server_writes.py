"""What one delivery costs the server alone: plain Daphne beside `realtime_demo.server`.

    python -m benchmarks.server_writes [--subscribers 500] [--runs 3]

Both serve the same ASGI application (below): a broadcast that hands each subscriber's task the
same object, at ten a second and then flat out, where the next is sent once all have sent the
last. The load counts every byte: a run in which one is missing gives no figure.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from urllib.request import urlopen

import psutil

ROOT = Path(__file__).resolve().parent.parent
TEXT = "x" * 150  # an event of the demo's chat is about this long
SERVERS = ("daphne", "realtime_demo.server")
TRANSPORTS = ("websocket", "stream")
PACES = {"10/s": (50, 10.0), "flat out": (300, 0.0)}  # broadcasts, and how many a second

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


# The application


class Broadcast:
    """The last message, in both framings, and who has not sent it yet."""

    def __init__(self) -> None:
        self.subscribers = 0
        self.pending = 0
        self.text, self.line = "", b""
        self.next, self.sent = asyncio.Event(), asyncio.Event()

    async def publish(self, count: int, rate: float) -> None:
        started = time.monotonic()
        for number in range(count):
            self.text = f"{number:06}{TEXT}\n"
            self.line = self.text.encode()
            self.pending = self.subscribers
            self.sent.clear()
            released, self.next = self.next, asyncio.Event()
            released.set()
            await self.sent.wait()
            if rate:
                await asyncio.sleep(started + (number + 1) / rate - time.monotonic())

    async def subscribe(self, deliver: Callable[[], Awaitable[None]]) -> None:
        self.subscribers += 1
        while True:
            await self.next.wait()
            await deliver()
            self.pending -= 1
            if not self.pending:
                self.sent.set()


broadcast = Broadcast()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] in {"http", "websocket"}
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await broadcast.subscribe(lambda: send({"type": "websocket.send", "text": broadcast.text}))
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/publish":
        query = parse_qs(scope["query_string"].decode())
        await broadcast.publish(int(query["count"][0]), float(query["rate"][0]))
        await send({"type": "http.response.body"})
        return

    async def deliver(data: bytes = b"") -> None:
        body = {"type": "http.response.body", "body": data or broadcast.line, "more_body": True}
        await send(body)

    await deliver(b"ready\n")
    await broadcast.subscribe(deliver)


# The load


class Figure(NamedTuple):
    cpu: float  # the server's CPU, in ms for 1,000 deliveries
    rate: float  # deliveries a second


class Server:
    """One of `SERVERS`, in a process of its own, while the block lasts."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __enter__(self) -> Server:
        self.log = tempfile.TemporaryFile("w+b")
        # No pings: the load would have to answer them, and they are not deliveries.
        arguments = [
            "--port",
            "0",
            "--ping-interval",
            "3600",
            "benchmarks.server_writes:application",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
        )
        self.cpu_times = psutil.Process(self.process.pid).cpu_times
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            self.log.seek(0)
            if found := re.search(rb"Listening on .*?127\.0\.0\.1:(\d+)", self.log.read()):
                self.port = int(found[1])
                return self
            time.sleep(0.05)
        self.__exit__()
        raise RuntimeError(f"{self.module} does not listen")

    def __exit__(self, exception_type: object = None, *_: object) -> None:
        if exception_type:
            self.log.seek(0)
            print(self.module, self.process.poll(), self.log.read().decode()[-2000:], sep="\n")
        self.process.kill()
        self.process.wait()
        self.log.close()

    def subscribe(self, transport: str) -> socket.socket:
        """A connection whose next bytes are the broadcasts'."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcy4uLg==\r\n"
        )
        headers = upgrade if transport == "websocket" else ""
        connection.sendall(f"GET / HTTP/1.1\r\nHost: benchmark\r\n{headers}\r\n".encode())
        head = b""
        end = b"\r\n\r\n" if transport == "websocket" else b"\r\n\r\n6\r\nready\n\r\n"
        while not head.endswith(end):
            head += connection.recv(1)
        return connection

    def publish(self, count: int, rate: float) -> None:
        with urlopen(f"http://127.0.0.1:{self.port}/publish?count={count}&rate={rate}") as response:
            response.read()

    def cpu(self) -> float:
        times = self.cpu_times()
        return float(times.user + times.system)


def measure(module: str, transport: str, subscribers: int) -> dict[str, Figure]:
    """Figures by pace. Raises: `RuntimeError` if a byte is missing or too many."""
    framing = 4 if transport == "websocket" else len(b"9d\r\n") + len(b"\r\n")
    size = framing + 6 + len(TEXT) + 1
    figures = {}
    with Server(module) as server, selectors.DefaultSelector() as selector:
        connections = [server.subscribe(transport) for _ in range(subscribers)]
        for connection in connections:
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
        time.sleep(0.5)  # the last subscribers' tasks come to wait
        buffer = bytearray(1 << 20)
        for pace, (count, rate) in PACES.items():
            missing = count * subscribers * size
            publisher = threading.Thread(target=server.publish, args=(count, rate))
            cpu, started = server.cpu(), time.monotonic()
            publisher.start()
            while missing > 0:
                for key, _ in selector.select(10) or lost(module, missing):
                    missing -= key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
            elapsed = time.monotonic() - started
            publisher.join()
            if missing:
                lost(module, missing)
            deliveries = count * subscribers
            figures[pace] = Figure((server.cpu() - cpu) * 1e6 / deliveries, deliveries / elapsed)
        for connection in connections:
            connection.close()
    return figures


def lost(module: str, missing: int) -> list[Any]:
    raise RuntimeError(f"{module}: {missing} bytes did not arrive")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3, help="the median is given")
    options = parser.parse_args()
    runs: dict[tuple[str, str, str], list[Figure]] = {}
    for _ in range(options.runs):
        for transport in TRANSPORTS:
            for module in SERVERS:
                figures = measure(module, transport, options.subscribers)
                for pace, figure in figures.items():
                    runs.setdefault((transport, pace, module), []).append(figure)
    print(f"{options.subscribers} subscribers, median of {options.runs} (lowest to highest)")
    print(f"{'':24}{'server':24}{'CPU ms per 1,000 deliveries':32}deliveries a second")
    for transport in TRANSPORTS:
        for pace in PACES:
            costs = []
            for module in SERVERS:
                found = runs[transport, pace, module]
                cpu, rate = [f.cpu for f in found], [f.rate for f in found]
                costs.append(median(cpu))
                spread = f"{median(cpu):5.1f}  ({min(cpu):.1f} to {max(cpu):.1f})"
                print(f"{transport + ', ' + pace:24}{module:24}{spread:32}{median(rate):10,.0f}")
            print(f"{'':24}{'ratio':24}{costs[0] / costs[1]:5.1f}")


if __name__ == "__main__":
    main()
