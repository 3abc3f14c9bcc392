"""The parent: the public port, the wire tap, and the server as a child of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any
from weakref import WeakKeyDictionary

from realtime_demo.comparison.network import Network
from realtime_demo.comparison.relay import Connection, Direction
from realtime_demo.comparison.tap import Tap
from transports.techniques import BY_NAME

from .anatomy import needle_of
from .labels import STREAMS, is_technique, label_of
from .link import LONGEST, Document, Lines
from .recorder import Recorder
from .settings import Faults, Feed, Path, Server
from .stalling import Stalling

ROOT = FilePath(__file__).resolve().parent.parent.parent
CHILD = (sys.executable, "-m", "realtime_demo.stage.child")
TICK = 0.25  # seconds between two looks at what has been counted
STOP = 8.0  # seconds in which a child has to have stopped: its own limit is five
BRIEF = 5.0  # seconds: a child that lives shorter is not started again at once
PROXY_BUFFER = 16 * 1024  # bytes that the buffering fault collects

GONE = "These bytes are no longer kept, or that event never came to you this way."


class StageFailed(Exception):
    """The server does not start; it has said why itself."""


class Stage:
    """Serves on `host`:`port` until it is told to stop.

    `environment` is added to the child's. `say` prints a line for whoever started the demo.
    """

    def __init__(
        self,
        host: str,
        port: int,
        feed: Feed,
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None] = print,
    ) -> None:
        self.path, self.feed, self.faults = Path(), feed, Faults()
        self.server: Server = "starting"
        self.running_since = 0.0
        self.tap = Tap(
            host,
            0,
            listen=(host, port),
            label=label_of,
            network=self._network_of,
            hold_back=self._held_back,
            observe=self._observe,
            proxy_protocol=True,
        )
        self.stalling = Stalling(self.tap)
        self.recorder = Recorder()
        self._opened = dict.fromkeys(BY_NAME, 0)
        self._labels: WeakKeyDictionary[Connection, set[str]] = WeakKeyDictionary()
        self._environment = environment
        self._say = say
        self._child: asyncio.subprocess.Process | None = None
        self._lines: Lines | None = None
        self._killing = False
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    # Running

    async def run(self, on_ready: Callable[[int], None]) -> None:
        """Serve; `on_ready` is called with the port once the page can be asked for.

        Raises `OSError` if the port cannot be had, `StageFailed` if the server does not start.
        """
        async with self.tap:
            with tempfile.TemporaryDirectory(prefix="stage-") as directory:  # nobody else's: 0700
                path = os.path.join(directory, "parent.sock")
                listening = await asyncio.start_unix_server(self._serve_child, path, limit=LONGEST)
                self._environment = {**self._environment, "STAGE_SOCKET": path}
                supervising = asyncio.create_task(self._supervise())
                telling = asyncio.create_task(self._tell())
                try:
                    await self._first(self._ready.wait(), supervising)
                    if not supervising.done():
                        on_ready(self.tap.port)
                    await supervising
                finally:
                    self.stop()
                    for task in (supervising, telling):
                        task.cancel()
                        with contextlib.suppress(asyncio.CancelledError, StageFailed):
                            await task
                    await self._end_child()
                    listening.close()

    def stop(self) -> None:
        """End in order: first the server, then the port. A second time: at once."""
        if self._stopping.is_set():
            self._signal_child(signal.SIGKILL)
            return
        self._stopping.set()
        self._ask_child_to_stop()

    async def _first(self, *awaitables: Any) -> None:
        tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    # The child

    async def _supervise(self) -> None:
        """Start the server, and start it again whenever it has ended, until told to stop."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            self._ready.clear()
            self._killing = False
            self._child = await asyncio.create_subprocess_exec(
                *CHILD,
                cwd=ROOT,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is the parent's, which stops it in order
            )
            code = await self._child.wait()
            self._lines = None
            if self._stopping.is_set():
                return
            if not self._ready.is_set():
                raise StageFailed(f"The server ended with exit code {code} before it listened.")
            self._set_server("restarting")
            if not self._killing:
                self._say(f"The server has ended (exit code {code}); starting it again.")
                if loop.time() - began < BRIEF:
                    await self._first(self._stopping.wait(), asyncio.sleep(1))

    async def _end_child(self) -> None:
        """Wait for the child to end; it has been asked to."""
        if self._child is None:
            return
        try:
            async with asyncio.timeout(STOP):
                await self._child.wait()
        except TimeoutError:
            self._signal_child(signal.SIGKILL)
            await self._child.wait()

    def _ask_child_to_stop(self) -> None:
        if self._lines is not None:
            self._lines.send({"state": self.document()})
            self._lines.send({"stopping": True})
        self._signal_child(signal.SIGTERM)

    def _signal_child(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    async def _serve_child(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        lines = Lines(reader, writer)
        try:
            async for document in lines:
                if "ready" in document:
                    self.tap.target = (self.tap.target[0], document["ready"])
                    self._lines = lines
                    self.running_since = time.time()
                    self._set_server("up")
                    lines.send({"state": self.document()})
                    self._ready.set()
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
        self._killing = True
        self._set_server("restarting")
        if kill:
            self._signal_child(signal.SIGKILL)
        else:
            self._ask_child_to_stop()

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
