"""WebSocket consumers of Django Channels, with many rooms on one socket.

Two consumers share one `Session`: an asynchronous one, and a synchronous one for comparison.
Neither opens a channel: the hub reads the channel layer once for the whole process.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, async_to_sync
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from transports import feed
from transports.events import Batch, batch_json
from transports.http.origin import check_origin
from transports.http.problems import Problem
from transports.http.scope import Application, Receive, Scope, Send
from transports.telemetry import telemetry

from .session import Session

NO_CHANNEL_LAYER = ""
SUBPROTOCOL = "realtime.v1"


def deny_other_origins(scope: Scope) -> None:
    """Reject pages of other sites before the handshake is complete (RFC 6455 §10.2)."""
    try:
        check_origin(scope)
    except Problem as problem:
        raise DenyConnection from problem


def accepted_subprotocol(scope: Scope) -> str | None:
    """Return the subprotocol to accept: `SUBPROTOCOL` if offered, never a token."""
    return SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None


def batch_text(batch: Batch) -> str:
    """Return the batch as the text of a frame."""
    return batch.encoded_by(batch_json).decode()


def until_closed(send: Send) -> Send:
    """Wrap `send` so that it raises `OSError` once the socket is closed, as ASGI requires.

    Uvicorn raises `RuntimeError` if it has closed the socket because of an invalid frame.
    """

    async def send_or_disconnect(message: dict[str, Any]) -> None:
        try:
            await send(message)
        except RuntimeError as error:
            raise ConnectionResetError(str(error)) from error

    return send_or_disconnect


class Socket:
    """The base of both consumers: the lifetime of their session."""

    technique: str
    scope: Scope

    @classmethod
    def as_asgi(cls, **arguments: Any) -> Any:
        """Return the ASGI application for a route."""
        feed.serve()
        return super().as_asgi(**arguments)  # type: ignore[misc]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        meter = telemetry().meter(self.technique)
        self.session = Session(self.deliver, self.end, meter)
        meter.opened()
        try:
            await super().__call__(scope, receive, until_closed(send))  # type: ignore[misc]
        except ConnectionResetError:  # a response to a command, sent after the socket has closed
            pass
        finally:
            meter.closed()
            self.session.close()
            del self.session  # it references this consumer: avoid a reference cycle

    async def deliver(self, batch: Batch) -> None:
        raise NotImplementedError

    async def end(self, code: int, reason: str) -> None:
        raise NotImplementedError


class FeedConsumer(Socket, AsyncWebsocketConsumer):  # type: ignore[misc]
    """`WS /websocket/<room>/?since=`, asynchronous."""

    channel_layer_alias = NO_CHANNEL_LAYER
    technique = "websocket"

    async def dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.receive":
            # Channels' `dispatch` switches to a thread and back for every message.
            await self.receive(message.get("text"), message.get("bytes"))
        else:
            await super().dispatch(message)

    async def connect(self) -> None:
        deny_other_origins(self.scope)
        await self.accept(accepted_subprotocol(self.scope))
        await self.session.open(self.scope)

    async def deliver(self, batch: Batch) -> None:
        # Bypass `dispatch` here too.
        await self.base_send({"type": "websocket.send", "text": batch.encoded_by(batch_text)})

    async def end(self, code: int, reason: str) -> None:
        await self.close(code, reason)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        error = await self.session.receive(text_data, bytes_data)
        if error is not None:
            await self.send(error)


class SyncFeedConsumer(Socket, WebsocketConsumer):  # type: ignore[misc]
    """`WS /websocket/sync/<room>/?since=`, synchronous: handles each message in a thread."""

    channel_layer_alias = NO_CHANNEL_LAYER
    technique = "websocket-sync"

    def connect(self) -> None:
        deny_other_origins(self.scope)
        self.accept(accepted_subprotocol(self.scope))
        async_to_sync(self.session.open)(self.scope)

    async def deliver(self, batch: Batch) -> None:
        await self.dispatch({"type": "feed.batch", "text": batch.encoded_by(batch_text)})

    def feed_batch(self, message: dict[str, Any]) -> None:
        self.send(message["text"])

    async def end(self, code: int, reason: str) -> None:
        await self.dispatch({"type": "feed.close", "code": code, "reason": reason})

    def feed_close(self, message: dict[str, Any]) -> None:
        self.close(message["code"], message["reason"])

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        error = async_to_sync(self.session.receive)(text_data, bytes_data)
        if error is not None:
            self.send(error)


class OneThread:
    """ASGI middleware that runs an application's synchronous code in one separate thread.

    By default, all consumers of a process share one thread, the asynchronous ones too: a slow
    handler would delay every socket. In a separate thread, it delays only the synchronous sockets.
    """

    def __init__(self, application: Application) -> None:
        self.application = application
        self.thread = ThreadSensitiveContext()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = SyncToAsync.thread_sensitive_context.set(self.thread)
        try:
            await self.application(scope, receive, send)
        finally:
            SyncToAsync.thread_sensitive_context.reset(token)
