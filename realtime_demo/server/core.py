"""The server: listening, the connections and their applications, and the orderly stop."""
# mypy: allow-untyped-calls
# (Twisted says little of its types.)

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import daphne.server
import twisted.internet
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.tcp import Port
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from realtime_demo.server.http import Connection, HTTPFactory, Request
from realtime_demo.server.lifespan import Application, Lifespan, StartupFailed
from realtime_demo.server.listening import BACKLOG, cannot_listen, open_files, url_of
from realtime_demo.server.signals import StopSignals, exit_within
from realtime_demo.server.transport import write_at_once
from realtime_demo.server.websocket import WebSocketFactory, WebSocketProtocol

# The seconds of an orderly stop, which add up to less than five on a busy machine too.
GRACE = 2.0  # for applications, told by `lifespan.shutdown`, to end what they do
CLOSING = 1.0  # for closing handshakes, and for clients to read what they were sent
FLUSHING = 0.1  # for connections to close without a reset
CANCELLING = 0.4  # for cancelled tasks to clean up
EXITING = 4.2  # from the signal to the exit of a process that something still holds

Message = dict[str, Any]

logger = logging.getLogger("realtime_demo.server")
loop = daphne.server.twisted_loop
reactor: Any = twisted.internet.reactor


class Server(daphne.server.Server):  # type: ignore[misc]
    """Daphne's server, of the same options, whose `send` waits for clients that do not read.

    `max_connections` counts HTTP and WebSocket together; `body_size` is in bytes, for request
    bodies and WebSocket messages alike. After `run` has returned,
    `abort_start` is true if the server never listened; why has been logged.
    """

    def __init__(
        self,
        application: Application,
        endpoints: list[str] | None = None,
        *,
        max_connections: int = 10_000,
        body_size: int = 64 * 1024,
        **options: Any,
    ) -> None:
        options.setdefault("websocket_timeout", -1)
        options.setdefault("websocket_max_message_size", body_size)
        options.setdefault("websocket_max_frame_size", body_size)
        super().__init__(application, endpoints, **options)
        self.max_connections = open_files(max_connections)
        self.body_size = body_size
        # Every open connection, by its transport; `connections` is Daphne's, by request.
        self.transports: dict[Any, Connection | WebSocketProtocol] = {}
        self.connections: dict[Any, dict[str, Any]] = {}
        self.urls: list[str] = []
        self.stopping = False
        self._lifespan = Lifespan(application)
        self._applications: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # Running

    def run(self) -> None:
        """Serve until stopped. Once in a process: Twisted's reactor does not start again."""
        self.http_factory = HTTPFactory(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
            closeHandshakeTimeout=5,
            failByDrop=False,  # tell the client what was wrong (RFC 6455 §7.1.7)
        )
        log_twisted_to_logging(self.verbosity)
        if self.signal_handlers:
            StopSignals(self._signalled).install()
        asyncio.set_event_loop(loop)
        loop.set_debug(self.verbosity >= 3)
        self._tasks.add(loop.create_task(self._start()))
        reactor.run(installSignalHandlers=False)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        gc.freeze()  # the interpreter need not search for cycles on its way out (0.1 s of CPU)

    async def _start(self) -> None:
        try:
            await self._lifespan.startup()
            for description in self.endpoints:
                await self._listen(description)
        except StartupFailed as failure:
            self._abort(f"The application failed to start: {failure}")
        except CannotListenError as error:
            self._abort(cannot_listen(error))
        except Exception:
            logger.exception("The server failed to start")
            self._abort()
        else:
            for url in self.urls:
                logger.info("Listening on %s", url)
            if self.ready_callable:
                self.ready_callable()
            spare_the_collector()
            await self._keep_house()

    def _abort(self, reason: str = "") -> None:
        if reason:
            logger.critical(reason)
        self.abort_start = True
        self.stop()

    async def _listen(self, description: str) -> None:
        kind = description.partition(":")[0]
        if kind in {"tcp", "ssl", "unix"} and "backlog=" not in description:
            description += f":backlog={BACKLOG}"
        listening = serverFromString(reactor, description).listen(self.http_factory)
        port: Port = await listening.addCallback(write_at_once).asFuture(loop)
        self.listeners.append(port)
        self.urls.append(url_of(port, "https" if kind == "ssl" else "http"))

    async def _keep_house(self) -> None:
        """Every two seconds: time-outs, pings, and applications that outlive their client."""
        while True:
            await asyncio.sleep(2)
            for protocol, details in list(self.connections.items()):
                try:
                    protocol.check_timeouts()
                except Exception:
                    logger.exception("Error in the time-outs of %r", protocol)
                left = details.get("disconnected", float("inf"))
                if time.time() - left > self.application_close_timeout:
                    logger.warning("An application outlived its client: %r", protocol)
                    details["application_instance"].cancel()

    # Applications. `protocol` is a `Request` or a `WebSocketProtocol`.

    def create_application(self, protocol: Any, scope: Message) -> asyncio.Queue[Message] | None:
        """Run the application; return the queue that it receives from, None if it is too late."""
        details = self.connections.get(protocol)
        if details is None:
            return None
        scope.setdefault("asgi", {"version": "3.0"})
        if "scheme" not in scope:  # Daphne's of a socket
            scope["scheme"] = protocol.scheme
        inbox: asyncio.Queue[Message] = protocol.make_inbox()
        send = partial(self.handle_reply, protocol)
        instance = asyncio.ensure_future(self.application(scope, inbox.get, send))
        instance.add_done_callback(partial(self._application_done, protocol))
        details["application_instance"] = instance
        self._applications.add(instance)
        return inbox

    async def handle_reply(self, protocol: Any, message: Message) -> None:
        """`send`, to an application: return when the client has room for more."""
        gate = protocol.gate
        # Of a socket several tasks may send, each as much as a whole history.
        if gate.closed is not None and message["type"] == "websocket.send":
            await gate.wait()
        if not protocol.write_at_once(message):
            await super().handle_reply(protocol, message)
        if gate.closed is not None:
            await gate.wait()

    def _application_done(self, protocol: Any, instance: asyncio.Future[None]) -> None:
        self._applications.discard(instance)
        error = None if instance.cancelled() else instance.exception()
        if error:
            logger.error("Exception inside application: %s", error, exc_info=error)
        details = self.connections.get(protocol, {})
        details.pop("application_instance", None)
        if "disconnected" in details:
            del self.connections[protocol]
        elif details:
            protocol.application_ended(failed=error is not None)

    def protocol_disconnected(self, protocol: Any) -> None:
        details = self.connections.get(protocol)
        if details is not None:
            details.setdefault("disconnected", time.time())
            if "application_instance" not in details:
                del self.connections[protocol]

    def log_action(self, protocol: str, action: str, details: dict[str, Any]) -> None:
        if self.action_logger:
            # Without the query string: cursors and tokens stay out of logs.
            path = details["path"].partition("?")[0]
            super().log_action(protocol, action, {**details, "path": path})

    # Stopping

    def stop(self) -> None:
        """Begin the orderly stop; safe from any thread, and more than once."""
        loop.call_soon_threadsafe(self._begin_stop)

    def _begin_stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self._tasks.add(loop.create_task(self._shut_down()))

    def _signalled(self, number: int) -> None:
        exit_within(EXITING)
        self.stop()

    async def _shut_down(self) -> None:
        for port in self.listeners:
            await maybeDeferred(port.stopListening).asFuture(loop)
        for connection in list(self.transports.values()):
            if isinstance(connection, Connection):
                connection.close_if_idle()
        farewell = asyncio.create_task(self._lifespan.shutdown())
        if not await self._ended(
            GRACE,
            lambda: farewell.done() and not self._applications and not self.transports,
        ):
            for protocol, details in list(self.connections.items()):
                if isinstance(protocol, WebSocketProtocol):
                    protocol.restart()
                elif isinstance(protocol, Request) and "application_instance" in details:
                    details["application_instance"].cancel()
        await self._ended(CLOSING, lambda: not self.transports)
        for transport in list(self.transports):
            transport.loseConnection()
        await self._ended(FLUSHING, lambda: not self.transports)
        for transport in list(self.transports):
            transport.abortConnection()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=CANCELLING)
        reactor.stop()

    async def _ended(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Wait for `condition`, at most `seconds`; return whether it holds.

        In turns of the loop, not by the clock: a process that gets no CPU for a while has not
        used its time.
        """
        for _ in range(round(seconds / 0.01)):
            if condition():
                return True
            await asyncio.sleep(0.01)
        return condition()


def spare_the_collector() -> None:
    """Let the garbage collector look less often, and never again at what startup has made.

    What a delivery allocates is freed by counting references: to look for cycles among all of
    Django's and Twisted's objects every few hundred deliveries finds nothing, and is not cheap.
    A connection that has ended leaves no cycles either. What libraries leave (asgiref, for every
    synchronous consumer) waits for the collector, and so may be 5,000 objects, about a MiB.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 10, 5)


def log_twisted_to_logging(verbosity: int) -> None:
    """Twisted's log to `logging`: all of it from verbosity 2 on, else its failures alone."""
    level = LogLevel.debug if verbosity >= 2 else LogLevel.critical
    # Interfaces of zope are not what mypy takes for protocols.
    everything: Any = STDLibLogObserver("twisted")
    chosen: Any = LogLevelFilterPredicate(defaultLogLevel=level)
    observer: Any = FilteringLogObserver(everything, [chosen])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
