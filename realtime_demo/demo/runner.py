"""The parent: the public port, the wire tap, and the server as a child of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import httpx

from realtime_demo.server import command, free_port
from realtime_demo.tap.network import Network
from realtime_demo.tap.proxy import Connection, Direction, Tap
from transports.registry import BY_NAME

from .ipc import LONGEST, Document, Lines
from .labels import STREAMS, is_technique, label_of
from .stalling import Stalling
from .state import Faults, Feed, Path, Server
from .supervisor import Supervisor
from .wire.capture import Recorder
from .wire.dissect import needle_of

CHILD_HOST = "127.0.0.1"  # wherever the parent listens: nobody else is to reach it
PROBE_TIMEOUT = 2.0  # seconds for an answer of a child that starts
PROBE_PAUSE = 0.05  # seconds between two attempts
TICK = 0.25  # seconds between two looks at what has been counted
PROXY_BUFFER = 16 * 1024  # bytes that the buffering fault collects

GONE = "These bytes are no longer kept, or that event never came to you this way."


class DemoRunner:
    """Serves on `host`:`port` until it is told to stop.

    `server` is the name of the ASGI server, and `environment` is added to its process's. `say`
    prints a line for the person who started the demo. Raises `ValueError` for an unknown server.
    """

    def __init__(
        self,
        host: str,
        port: int,
        feed: Feed,
        *,
        environment: Mapping[str, str],
        server: str = "uvicorn",
        say: Callable[[str], None] = print,
    ) -> None:
        self.path, self.feed, self.faults = Path(), feed, Faults()
        self.server: Server = "starting"
        self.running_since = 0.0
        child_port = free_port(CHILD_HOST)
        self.tap = Tap(
            CHILD_HOST,
            child_port,
            listen=(host, port),
            label=label_of,
            network=self._network_of,
            hold_back=self._held_back,
            observe=self._observe,
        )
        self.stalling = Stalling(self.tap)
        self.recorder = Recorder()
        self._opened = dict.fromkeys(BY_NAME, 0)
        self._labels: WeakKeyDictionary[Connection, set[str]] = WeakKeyDictionary()
        self.supervisor = Supervisor(
            command(server, host=CHILD_HOST, port=child_port),
            say=say,
            serving=self._wait_for_child,
            farewell=self._farewell,
            ended=self._ended,
        )
        self._environment = environment
        self._lines: Lines | None = None
        self._changed = asyncio.Event()

    # Running

    async def run(self, on_ready: Callable[[int], None]) -> None:
        """Serve; `on_ready` is called with the port once the page can be asked for.

        Raises `OSError` if the port cannot be had, `ServerFailed` if the server does not start.
        """
        async with self.tap:
            with tempfile.TemporaryDirectory(prefix="stage-") as directory:  # nobody else's: 0700
                path = os.path.join(directory, "parent.sock")
                listening = await asyncio.start_unix_server(self._serve_child, path, limit=LONGEST)
                environment = {**self._environment, "STAGE_SOCKET": path}
                supervising = asyncio.create_task(self.supervisor.run(environment))
                telling = asyncio.create_task(self._tell())
                try:
                    ready = asyncio.create_task(self.supervisor.ready.wait())
                    await asyncio.wait({ready, supervising}, return_when=asyncio.FIRST_COMPLETED)
                    if ready.done():
                        on_ready(self.tap.port)
                    await supervising
                finally:
                    for task in (ready, telling):
                        task.cancel()
                    listening.close()

    def stop(self) -> None:
        """End in order: first the server, then the port. A second time: at once."""
        self.supervisor.stop()

    # The child

    def _farewell(self) -> None:
        """The child is about to be asked to stop."""
        self._send_state()
        if self._lines is not None:
            self._lines.send({"stopping": True})

    def _send_state(self) -> None:
        if self._lines is not None:
            self._lines.send({"state": self.document()})

    async def _wait_for_child(self) -> None:
        """Return once the child answers, whatever the answer, and has connected to this process."""
        host, port = self.tap.target
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_TIMEOUT) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await client.get(f"http://{host}:{port}/healthz")
                    if self._lines is not None:
                        break
                await asyncio.sleep(PROBE_PAUSE)
        self.running_since = time.time()
        self._set_server("up")
        self._send_state()

    def _ended(self) -> None:
        """The child has ended, and will be started again."""
        self._lines = None
        self._set_server("restarting")

    async def _serve_child(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        lines = Lines(reader, writer)
        try:
            async for document in lines:
                if "ready" in document:
                    self._lines = lines
                else:
                    result = self._obey(document)
                    lines.send({"answer": document["id"], "result": result})
        finally:
            lines.close()

    async def _tell(self) -> None:
        """Send the state document to the child: at once where it was set, else every `TICK`."""
        last: Document = {}
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._changed.wait()
            self._changed.clear()
            document = self.document()
            if self._lines is not None and {**document, "clock": 0} != last:
                self._lines.send({"state": document})
                last = {**document, "clock": 0}

    # Commands

    def _obey(self, command: Document) -> Document:
        match command["ask"]:
            case "state":
                return self.document()
            case "client":
                return {"client": self.tap.client_of(command["port"])}
            case "network":
                self.path = Path(**command["network"])
                result = self.path.document
            case "feed":
                self.feed = Feed(**command["feed"])
                result = self.feed.document
            case "cut":
                result = {"connections": self.cut(command["technique"])}
            case "stall":
                self.stalling.set(command["on"], command["technique"])
                result = {"stalled": self.stalling.stalled}
            case "faults":
                result = self.set_faults(Faults(**command["faults"]))
            case "wire":
                return self._recall(command)
            case "restart":
                self.restart(kill=command["kill"])
                result = {}
            case unknown:
                return {"refused": [404, "command", f"There is no command {unknown!r}."]}
        self._changed.set()
        return result

    def cut(self, technique: str | None) -> int:
        """Reset the connections of a technique, or of all; says how many."""
        return sum(self.tap.cut(name) for name in ([technique] if technique else BY_NAME))

    def set_faults(self, faults: Faults) -> Document:
        compressing = self.faults.gzip
        self.faults = faults
        if faults.gzip != compressing:
            self._send_state()  # before the new connections reach the child
            # A stream is compressed from its beginning or not at all: they begin again.
            for name in STREAMS:
                self.tap.cut(name)
        if not faults.buffering:
            self.tap.release()
        return faults.document

    def _recall(self, command: Document) -> Document:
        """The raw bytes that carried an event, to be taken apart by whoever asked."""
        needle = needle_of(command["event"])
        found = self.recorder.find(command["technique"], needle, command["address"])
        if found is None:
            return {"refused": [404, "wire", GONE]}
        exchange, carrier = found
        return {
            "target": exchange.target,
            "request_head": exchange.request_head.decode("latin-1"),
            "response_head": exchange.response.head.decode("latin-1"),
            "carrier": b64encode(carrier).decode(),
            "sent": b64encode(exchange.sent).decode(),
        }

    def restart(self, *, kill: bool) -> None:
        self._set_server("restarting")
        self.supervisor.restart(kill=kill)

    def _set_server(self, server: Server) -> None:
        self.server = server
        self._changed.set()

    # The tap

    def _network_of(self, label: str) -> Network:
        return self.path.network if is_technique(label) else Network()

    def _held_back(self, label: str) -> int:
        return PROXY_BUFFER if self.faults.buffering and label in STREAMS else 0

    def _observe(self, connection: Connection, direction: Direction, data: bytes) -> None:
        self.recorder.observe(connection, direction, data)
        if direction == "up":
            self._count(connection)
            self.stalling.observe(connection)

    def _count(self, connection: Connection) -> None:
        labels = self._labels.setdefault(connection, set())
        if is_technique(connection.label) and connection.label not in labels:
            labels.add(connection.label)
            self._opened[connection.label] += 1

    def document(self) -> Document:
        """The state document."""
        return {
            "running_since": self.running_since,
            "server": self.server,
            "network": self.path.document,
            "feed": self.feed.document,
            "faults": {**self.faults.document, "stalled": self.stalling.stalled},
            "techniques": {name: self._figures(name) for name in BY_NAME},
            "clock": time.time(),
        }

    def _figures(self, technique: str) -> Document:
        counts = self.tap.count(technique)
        return {
            "up": counts.up,
            "down": counts.down,
            "connections": len(self.tap.labelled(technique)),
            "opened": self._opened[technique],
            "requests": counts.requests,
        }
