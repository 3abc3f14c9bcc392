"""The parent process of the demo: the public port, the tap, and the server as a child."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

import httpx

from realtime_demo.asgi_servers import command
from realtime_demo.ports import free_port
from realtime_demo.tap.network import Network
from realtime_demo.tap.proxy import Connection, Direction, Tap
from transports.http.names import shown
from transports.http.problems import Problem
from transports.registry import BY_NAME

from .connections import PAGE, STREAMS, Stalling, label_of
from .ipc import LONGEST, Document, Lines
from .lease import Leases, Saved
from .state import (
    FaultSettings,
    FeedSettings,
    NetworkSettings,
    Server,
    boolean,
    check_members,
    technique,
)
from .supervisor import Supervisor
from .wire.capture import Recorder
from .wire.dissect import needle_of

CHILD_HOST = "127.0.0.1"  # only the tap may reach the server
PROBE_TIMEOUT = 2.0  # seconds until a request to a starting child times out
PROBE_PAUSE = 0.05  # seconds between attempts
TICK = 0.25  # seconds between state documents while only counts change
REPORT_INTERVAL = 5.0  # seconds between two lines about connected devices
PROXY_BUFFER = 16 * 1024  # bytes that the buffering fault collects

NOT_RECORDED = (
    "The bytes of this event are not recorded: they were discarded, or the event was not sent to "
    "your address by this technique."
)


class DemoRunner:
    """The demo on `host`:`port`.

    `server` is the name of the ASGI server, and `environment` is added to its environment.
    `write` prints a line for the user. `class_address` returns the URL for other devices, given the
    port; empty without one. Raises `ValueError` for an unknown server.
    """

    def __init__(
        self,
        host: str,
        port: int,
        feed: FeedSettings,
        *,
        environment: Mapping[str, str],
        server: str = "uvicorn",
        write: Callable[[str], None] = print,
        class_address: Callable[[int], str] = lambda port: "",
    ) -> None:
        self.network, self.feed, self.faults = NetworkSettings(), feed, FaultSettings()
        self.leases = Leases()
        self.lapses = 0  # leases that ended because their page did not renew them
        self.server: Server = "starting"
        self.running_since = 0.0
        child_port = free_port(CHILD_HOST)
        self.tap = Tap(
            CHILD_HOST,
            child_port,
            listen=(host, port),
            label=label_of,
            network=self._network_of,
            hold_back=self._buffer_of,
            observe=self._observe,
        )
        self.stalling = Stalling(self.tap)
        self.recorder = Recorder()
        self._opened = dict.fromkeys(BY_NAME, 0)
        self._labels: WeakKeyDictionary[Connection, set[str]] = WeakKeyDictionary()
        self.supervisor = Supervisor(
            command(server, host=CHILD_HOST, port=child_port),
            write=write,
            serving=self._wait_for_child,
            before_stop=self._announce_stop,
            ended=self._child_ended,
        )
        self._environment = environment
        self._write = write
        self._class_address = class_address
        self._reported_devices = 0
        self._report_due = 0.0  # on the loop's clock, in seconds
        self._lines: Lines | None = None
        self._changed = asyncio.Event()

    # Running

    async def run(self, on_ready: Callable[[int], None]) -> None:
        """Serve until `stop`; call `on_ready` with the port once the page can be requested.

        Raise `OSError` if it cannot listen on the port, `ChildFailed` if the server does not
        start.
        """
        async with self.tap:
            with tempfile.TemporaryDirectory(prefix="stage-") as directory:  # mode 0700
                path = os.path.join(directory, "parent.sock")
                listening = await asyncio.start_unix_server(self._serve_child, path, limit=LONGEST)
                address = self._class_address(self.tap.port)
                added = {"STAGE_SOCKET": path, "CLASS_ADDRESS": address}
                supervising = asyncio.create_task(
                    self.supervisor.run({**self._environment, **added})
                )
                sending = asyncio.create_task(self._send_changes())
                try:
                    ready = asyncio.create_task(self.supervisor.ready.wait())
                    await asyncio.wait({ready, supervising}, return_when=asyncio.FIRST_COMPLETED)
                    if ready.done():
                        on_ready(self.tap.port)
                    await supervising
                finally:
                    for task in (ready, sending):
                        task.cancel()
                    listening.close()

    def stop(self) -> None:
        """Stop the server, then close the port. A second call kills the server."""
        self.supervisor.stop()

    # The child

    def _announce_stop(self) -> None:
        """Announce to the child that it will be asked to stop."""
        self._send_state()
        self._send({"stopping": True})

    def _send_state(self) -> None:
        self._send({"state": self.document()})

    def _send(self, document: Document) -> None:
        if self._lines is not None:
            self._lines.send(document)

    async def _wait_for_child(self) -> None:
        """Wait until the child answers, with any status, and has connected to this process."""
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

    def _child_ended(self) -> None:
        """Update the state before the child is started again."""
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
                    try:
                        result = self._execute(document["ask"], document)
                    except Problem as problem:
                        reason = [problem.status, problem.code, problem.detail]
                        result = {"problem": reason}
                    lines.send({"answer": document["id"], "result": result})
        finally:
            lines.close()

    async def _send_changes(self) -> None:
        """Send changed state documents to the child: settings at once, counts every `TICK`."""
        last: Document = {}
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._changed.wait()
            self._changed.clear()
            self._end_expired_leases()
            document = self.document()
            self._report_devices(document["devices"])
            if self._lines is not None and {**document, "clock": 0} != last:
                self._lines.send({"state": document})
                last = {**document, "clock": 0}

    def _report_devices(self, count: int) -> None:
        """Print a changed number of devices, at most every `REPORT_INTERVAL` seconds."""
        now = asyncio.get_running_loop().time()
        if count != self._reported_devices and now >= self._report_due:
            self._reported_devices, self._report_due = count, now + REPORT_INTERVAL
            self._write(f"Connected devices: {count}")

    # Commands

    def _execute(self, name: str, arguments: Document) -> Document:
        """Execute a command of the child; return its result. Raise `Problem`."""
        match name:
            case "state":
                return self.document()
            case "client":
                return {"client": self.tap.client_of(arguments["port"])}
            case "wire":
                return self._recorded(arguments)
            case "restart":
                self.restart(kill=arguments["kill"])
                return {}
        result = self._control(name, arguments["document"])
        self._changed.set()
        return result

    def _control(self, name: str, document: Document) -> Document:
        """Execute a control with the JSON object that a page has sent."""
        match name:
            case "network":  # {"rtt", "jitter", "bandwidth"}
                self.network = self.network.changed(document)
                return self.network.document
            case "feed":  # {"running", "rate", "room", "arrivals"}
                self.feed = self.feed.changed(document)
                return self.feed.document
            case "faults":  # {"buffering", "gzip"}
                return self.set_faults(self.faults.changed(document))
            case "cut":  # {"technique"}: reset connections
                check_members(document, "technique")
                return {"connections": self.cut(technique(document))}
            case "stall":  # {"on", "technique"}: stall or resume connections
                check_members(document, "on", "technique")
                self.stalling.set(boolean(document, "on"), technique(document))
                return {"stalled": self.stalling.stalled}
            case "lease":
                return self._lease(document)
        raise Problem(404, "command", f"There is no command {name!r}.")

    def _lease(self, document: Document) -> Document:
        """Begin, renew or end a page's lease: {"holder", "held"}.

        When it ends, or is not renewed for four seconds, network and feed are restored and faults
        end.
        """
        check_members(document, "holder", "held")
        holder, held = document.get("holder"), boolean(document, "held")
        if not isinstance(holder, str) or not 1 <= len(holder) <= 64:
            raise Problem(
                400,
                "holder",
                f"'holder' must be a string of 1 to 64 characters; got {shown(holder)}.",
            )
        if held:
            self.leases.renew(holder, (self.network, self.feed))
        elif saved := self.leases.end(holder):
            self._restore(saved)
        return {"held": held}

    def _end_expired_leases(self) -> None:
        if self.server != "up":
            self.leases.renew_all()
        elif saved := self.leases.end_expired():
            self._restore(saved)
            self.lapses += 1
            self._changed.set()

    def _restore(self, saved: Saved) -> None:
        self.network, self.feed = saved
        self.set_faults(FaultSettings())
        self.stalling.set(False, None)

    def cut(self, technique: str | None) -> int:
        """Reset the connections of a technique, or of all; return how many."""
        return sum(self.tap.cut(name) for name in ([technique] if technique else BY_NAME))

    def set_faults(self, faults: FaultSettings) -> Document:
        compressing = self.faults.gzip
        self.faults = faults
        if faults.gzip != compressing:
            self._send_state()  # before the new connections reach the child
            # A stream is compressed from its beginning or not at all, so cut the open ones.
            for name in STREAMS:
                self.tap.cut(name)
        if not faults.buffering:
            self.tap.release()
        return faults.document

    def _recorded(self, command: Document) -> Document:
        """Return the recorded bytes that carried an event; the child dissects them."""
        needle = needle_of(command["event"])
        recorded = self.recorder.find(command["technique"], needle, command["address"])
        if recorded is None:
            raise Problem(404, "wire", NOT_RECORDED)
        exchange, carrier = recorded
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
        return self.network.network if label in BY_NAME else Network()

    def _buffer_of(self, label: str) -> int:
        return PROXY_BUFFER if self.faults.buffering and label in STREAMS else 0

    def _observe(self, connection: Connection, direction: Direction, data: bytes) -> None:
        self.recorder.observe(connection, direction, data)
        if direction == "up":
            self._count(connection)
            self.stalling.observe(connection)

    def _count(self, connection: Connection) -> None:
        labels = self._labels.setdefault(connection, set())
        if connection.label in BY_NAME and connection.label not in labels:
            labels.add(connection.label)
            self._opened[connection.label] += 1

    def document(self) -> Document:
        """Return the state document."""
        return {
            "running_since": self.running_since,
            "server": self.server,
            "network": self.network.document,
            "feed": self.feed.document,
            "faults": {**self.faults.document, "stalled": self.stalling.stalled},
            "lapses": self.lapses,
            "pages": len(self.tap.labelled(PAGE)),
            "techniques": {name: self._figures(name) for name in BY_NAME},
            "devices": len({c.client[0] for c in self.tap.connections if _is_device(c)}),
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


def _is_device(connection: Connection) -> bool:
    """Return whether the client's address belongs to another device."""
    address, _port = connection.client
    return bool(address) and not ipaddress.ip_address(address.partition("%")[0]).is_loopback
