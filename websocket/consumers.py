"""WebSocket through Django Channels: many rooms on one socket, both directions.

Two consumers around one `Session`, which knows neither: the asynchronous one, and the
synchronous one for the lesson. Neither has a channel of its own: the hub reads the channel
layer once for the whole process.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, async_to_sync
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer

from transports.auth.tokens import accepted_subprotocol
from transports.events import Batch, batch_json
from transports.http.problems import Problem
from transports.http.scope import Application, Receive, Scope, Send, check_origin
from transports.operations.metrics import metrics

from .session import Session

NO_CHANNEL_LAYER = ""


def _allow(scope: Scope) -> None:
    """Refuse another site's page before there is a socket at all (RFC 6455 §10.2)."""
    try:
        check_origin(scope)
    except Problem as problem:
        raise DenyConnection from problem


def batch_text(batch: Batch) -> str:
    """The batch as the text of a frame."""
    return batch.encoded_by(batch_json).decode()


class FeedConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`WS /websocket/<room>/?since=`, asynchronous."""

    channel_layer_alias = NO_CHANNEL_LAYER
    technique = "websocket"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        meter = metrics.meters[self.technique]
        self.session = Session(self.deliver, self.close, meter)
        with meter.connection():
            try:
                await super().__call__(scope, receive, send)
            finally:
                self.session.forget()
                del self.session  # which holds this consumer: no cycle for the collector

    async def connect(self) -> None:
        _allow(self.scope)
        await self.accept(accepted_subprotocol(self.scope))
        await self.session.open(self.scope)

    async def deliver(self, batch: Batch) -> None:
        # Past `dispatch`, which hops to a thread and back for every message.
        await self.base_send({"type": "websocket.send", "text": batch.encoded_by(batch_text)})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        answer = await self.session.receive(text_data)
        if answer is not None:
            await self.send(answer)


class SyncFeedConsumer(WebsocketConsumer):  # type: ignore[misc]
    """`WS /websocket/sync/<room>/?since=`: the same, each message handled in a thread."""

    channel_layer_alias = NO_CHANNEL_LAYER
    technique = "websocket-sync"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        meter = metrics.meters[self.technique]
        self.session = Session(self.deliver, self.close_from_feed, meter)
        with meter.connection():
            try:
                await super().__call__(scope, receive, send)
            finally:
                self.session.forget()
                del self.session  # which holds this consumer: no cycle for the collector

    def connect(self) -> None:
        _allow(self.scope)
        self.accept(accepted_subprotocol(self.scope))
        async_to_sync(self.session.open)(self.scope)

    async def deliver(self, batch: Batch) -> None:
        await self.dispatch({"type": "feed.batch", "text": batch.encoded_by(batch_text)})

    def feed_batch(self, message: dict[str, Any]) -> None:
        self.send(message["text"])

    async def close_from_feed(self, code: int, reason: str) -> None:
        await self.dispatch({"type": "feed.close", "code": code, "reason": reason})

    def feed_close(self, message: dict[str, Any]) -> None:
        self.close(message["code"], message["reason"])

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        answer = async_to_sync(self.session.receive)(text_data)
        if answer is not None:
            self.send(answer)


class OneThread:
    """Runs an application's synchronous code in one thread of its own.

    Channels has one thread for every consumer of a process, in which it does some
    housekeeping for the asynchronous ones too: one handler that is slow would hold up all of
    them. Here it holds up the synchronous sockets alone.
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
