"""ASGI middleware for limits, and for an orderly start and stop, on any ASGI server.

ASGI servers differ in their limits, in their support of the lifespan protocol (Daphne has none) and
in the order of a stop: Uvicorn waits for open streams before it notifies the application. This
middleware keeps the wire contract independent of the server.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from email.utils import formatdate
from types import FrameType
from typing import Any, Protocol

from transports.http.base import reject
from transports.http.intake import check_hosts, deny, split_target
from transports.http.origin import client_address
from transports.http.problems import Problem, unavailable
from transports.http.publish import too_large
from transports.http.scope import Application, Receive, Scope, Send, header
from transports.http.throttling import counted_as

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
GRACE = 1.0  # seconds in which open responses may end before the server gets the signal


def with_date(send: Send) -> Send:
    """Wrap `send` to add a Date to a response without one (RFC 9110 §6.6.1)."""

    async def send_with_date(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ())]
            if not any(name.lower() == b"date" for name, _ in headers):
                headers.append((b"date", formatdate(usegmt=True).encode()))
            message = {**message, "headers": headers}
        await send(message)

    return send_with_date


class Service(Protocol):
    """A task that runs beside the requests, in the server's event loop."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass(eq=False)
class Boundary:
    """An ASGI application around `application`.

    `services` start with `lifespan.startup`, or with the first request if the server sends none.
    They stop before the server does: at SIGTERM or SIGINT, or with `lifespan.shutdown`.

    It rejects a request of HTTP/1.1 without exactly one valid Host.

    `most` and `most_per_address` limit the requests and sockets that are open at a time in this
    process (0: unlimited). `body_size` limits a request's body, in bytes. With `behind_proxy` the
    client's address is the last one in `X-Forwarded-For`: the proxy appends it. `root_path` is the
    mount point; it replaces the one in the request.
    """

    application: Application
    services: Sequence[Service] = ()
    _: KW_ONLY
    most: int = 0
    most_per_address: int = 0
    body_size: int = 64 * 1024
    behind_proxy: bool = False
    root_path: str = ""
    _open: int = field(default=0, init=False)
    _open_per_address: Counter[str] = field(default_factory=Counter, init=False)
    _waiting_for_bodies: set[asyncio.Timeout] = field(default_factory=set, init=False)
    _starting: asyncio.Task[None] | None = field(default=None, init=False)
    _stopping: asyncio.Task[None] | None = field(default=None, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            serve = self._run_lifespan if scope["type"] == "lifespan" else self.application
            await serve(scope, receive, send)
            return
        if self._starting is None or not self._starting.done():
            await self._start()
        # Daphne, the only server without a `spec_version`, sends no Date.
        if scope["type"] == "http" and "spec_version" not in scope.get("asgi", {}):
            send = with_date(send)
        # Daphne reads the mount point from the header Daphne-Root-Path, which any client can send.
        scope["root_path"] = self.root_path
        try:
            has_body = self._check(scope)
        except Problem as invalid:
            await deny(scope, receive, send, invalid)
            return
        address = counted_as(client_address(scope)) if self.most_per_address else ""
        self._open += 1
        if address:
            self._open_per_address[address] += 1
        try:
            if self.most and self._open > self.most:
                problem = unavailable(
                    f"The limit of connections to this server is {self.most}; try again later."
                )
                if scope["type"] == "http":
                    await reject(send, problem)
                    return
                # Only an accepted socket can have a close code: the consumer accepts, then closes.
                scope["problem"] = problem
            elif address and self._open_per_address[address] > self.most_per_address:
                # Techniques send the problem; pages ignore it.
                scope["problem"] = Problem(
                    429,
                    "connections",
                    f"The limit of connections from one address is {self.most_per_address}; "
                    "close one first.",
                    {"Retry-After": "5"},
                )
            serve = self._serve_body if has_body else self.application
            await serve(scope, receive, send)
        finally:
            self._open -= 1
            if address:
                self._open_per_address[address] -= 1
                if not self._open_per_address[address]:
                    del self._open_per_address[address]

    def _check(self, scope: Scope) -> bool:
        """Correct `scope`; return whether a body follows. Raises `Problem`."""
        if self.root_path and not scope["path"].startswith(f"{self.root_path}/"):
            raise Problem(404, "path", f"Expected a path below {self.root_path}/.")
        if self.behind_proxy:
            forwarded = header(scope, b"x-forwarded-for").decode("latin-1").rpartition(",")[2]
            scope["client"] = (forwarded.strip(), 0)
        if scope["path"][:1] not in "/*":
            split_target(scope)
        hosts, has_body = [], False
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name in (b"content-length", b"transfer-encoding"):
                has_body = scope["type"] == "http"
        check_hosts(hosts, scope.get("http_version", "1.1"))
        return has_body

    async def _serve_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request with a body; reject a Content-Length over the limit with 413.

        A chunked body (RFC 9112 §7.1) announces no length: count it as it arrives. Once it exceeds
        the limit, or the server stops, reject it and send the application `http.disconnect`.
        """
        length = header(scope, b"content-length")
        if length and (not length.isdigit() or len(length) > 18 or int(length) > self.body_size):
            await reject(send, too_large(self.body_size))
            return
        received, complete, response_started, rejected = 0, False, False, False

        async def receive_limited() -> dict[str, Any]:
            nonlocal received, complete, rejected
            if complete:
                return await receive()
            try:
                message = await self._receive_body(receive)
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received <= self.body_size:
                    return message
                problem = too_large(self.body_size)
            except TimeoutError:
                problem = unavailable("The server is restarting.")
            if not response_started and not rejected:
                rejected = True
                await reject(send, problem)
            return {"type": "http.disconnect"}

        async def send_unless_rejected(message: dict[str, Any]) -> None:
            nonlocal response_started
            if not rejected:
                response_started = True
                await send(message)

        await self.application(scope, receive_limited, send_unless_rejected)

    async def _receive_body(self, receive: Receive) -> dict[str, Any]:
        """Receive a part of a body; raise `TimeoutError` if the server stops meanwhile."""
        async with asyncio.timeout(None if self._stopping is None else 0) as waiting:
            self._waiting_for_bodies.add(waiting)
            try:
                return await receive()
            finally:
                self._waiting_for_bodies.discard(waiting)

    # Start and stop

    async def _run_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start_services())
        await asyncio.shield(self._starting)

    async def _start_services(self) -> None:
        for service in self.services:
            await service.start()
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._stop_before_server(asyncio.get_running_loop(), number)

    def _stop_before_server(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        """At signal `number`, stop the services, then pass the signal to the server.

        A second signal goes to the server at once.
        """
        handler_of_server = signal.getsignal(number) or signal.SIG_DFL

        async def stop() -> None:
            await self._stop()
            signal.raise_signal(number)

        def handle(_number: int, _frame: FrameType | None) -> None:
            signal.signal(number, handler_of_server)
            if loop.is_closed():
                signal.raise_signal(number)
            else:
                asyncio.run_coroutine_threadsafe(stop(), loop)

        signal.signal(number, handle)

    async def _stop(self) -> None:
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop_services())
        await asyncio.shield(self._stopping)

    async def _stop_services(self) -> None:
        for service in self.services:
            await service.stop()
        for waiting in self._waiting_for_bodies:
            if waiting.when() is None:  # the others expire already
                waiting.reschedule(0)
        deadline = asyncio.get_running_loop().time() + GRACE
        while self._open and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
