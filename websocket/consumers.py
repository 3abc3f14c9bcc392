"""WebSocket through Django Channels: many rooms on one socket, both directions.

Two consumers around one `Session`, which knows neither: the asynchronous one, and the
synchronous one for the lesson. Neither has a channel of its own: the hub reads the channel
layer once for the whole process.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, async_to_sync
from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.conf import settings

from transports import feed
from transports.access import (
    Application,
    Receive,
    Scope,
    Send,
    check_host,
    check_origin,
    check_room,
    enter,
)
from transports.access.tokens import accepted_subprotocol
from transports.cursors import Cursor
from transports.events import Batch, batch_json, encode
from transports.history import HistoryUnavailable
from transports.hub import TooManyRooms
from transports.metrics import Meter, metrics
from transports.presence import present
from transports.publish import parse_json, publish
from transports.refusals import Refusal, close_reason, unavailable
from transports.requests import Request, parse_since

logger = logging.getLogger(__name__)

SERVICE_RESTART = 1012  # IANA WebSocket Close Code Number Registry
TOO_LARGE = 1009  # RFC 6455 §7.4.1
INTERNAL_ERROR = 1011  # RFC 6455 §7.4.1
NO_CHANNEL_LAYER = ""
FEED_AWAY = unavailable("The feed cannot be reached now; please try again.")


class Session:
    """What one socket has joined, and what its client may say.

    `deliver` is called with each batch, one at a time for each room; `close` with a close
    code and a reason (RFC 6455 §7.4). Both run in the context the session was made in.
    """

    def __init__(
        self,
        deliver: Callable[[Batch], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        meter: Meter,
    ) -> None:
        self._deliver = deliver
        self._close = close
        self._meter = meter
        self._context = contextvars.copy_context()
        self._rooms: dict[str, asyncio.Task[None]] = {}
        # A backlog is read when the one before it is on its way: they may be many, and the
        # client in no hurry.
        self._joining = asyncio.Lock()
        self._request: Request | None = None

    async def open(self, scope: Scope) -> None:
        """Join the room of the path; a refusal closes the socket with its 4xxx code."""
        try:
            check_host(scope)
            request = Request(scope)
            _ = request.own_name  # what is wrong with it is a refusal
            self._subscribe(request, request.room, request.since)
            self._request = request
        except Refusal as refusal:
            await self._end(refusal.close_code, refusal.detail)

    async def receive(self, text: str | None, data: bytes | None = None) -> str | None:
        """Do what the client says; the answer is an error message, or None.

        A message over `BODY_SIZE` closes the socket, where the server's own limit is higher.
        """
        if self._request is None:
            return None  # refused, and closing
        if _size(text, data) > settings.BODY_SIZE:
            self._request = None
            await self._end(TOO_LARGE, f"A message may have at most {settings.BODY_SIZE} bytes.")
            return None
        try:
            if text is None:
                raise Refusal(400, "binary", "Send text frames: JSON in UTF-8.")
            document = parse_json(text)
            command = self.COMMANDS.get(str(document.get("type")))
            if command is None:
                raise Refusal(400, "type", f"'type' is one of {', '.join(self.COMMANDS)}.")
            room = document.get("room")
            if not isinstance(room, str):
                raise Refusal(400, "room", "'room' is the name of a room, a text.")
            check_room(room, self._request.user)
            await command(self, self._request, room, document)
        except Refusal as refusal:
            return encode(refusal.message).decode()
        except HistoryUnavailable:
            return encode(FEED_AWAY.message).decode()
        return None

    async def _publish(self, request: Request, room: str, document: dict[str, Any]) -> None:
        await publish(request, room, document)

    async def _change(self, request: Request, room: str, document: dict[str, Any]) -> None:
        await publish(request, room, document, document["type"])

    async def _join(self, request: Request, room: str, document: dict[str, Any]) -> None:
        since = document.get("since")
        if since is not None and not isinstance(since, str):
            raise Refusal(400, "cursor", "'since' is a cursor, a text, or not there at all.")
        if room in self._rooms:
            raise Refusal(409, "joined", f"The room {room} is joined already.")
        if len(self._rooms) >= settings.MAX_SOCKET_ROOMS:
            most = settings.MAX_SOCKET_ROOMS
            raise Refusal(409, "rooms", f"A socket may join at most {most} rooms.")
        cursor = parse_since(since)
        enter(request.scope, room)
        self._subscribe(request, room, cursor)

    async def _leave(self, request: Request, room: str, document: dict[str, Any]) -> None:
        task = self._rooms.pop(room, None)
        if task is None:
            raise Refusal(409, "left", f"The room {room} is not joined.")
        task.cancel()
        if "connection" in request.scope:
            request.scope["connection"].leave(room)

    COMMANDS = {
        "publish": _publish,
        "edit": _change,
        "delete": _change,
        "join": _join,
        "leave": _leave,
    }

    def forget(self) -> None:
        """The socket is gone: leave every room. To be called on the event loop."""
        for task in self._rooms.values():
            task.cancel()
        self._rooms.clear()

    def _subscribe(self, request: Request, room: str, since: Cursor | None) -> None:
        loop = asyncio.get_running_loop()
        feeding = self._feed(request, room, since)
        self._rooms[room] = loop.create_task(feeding, context=self._context.copy())

    async def _feed(self, request: Request, room: str, since: Cursor | None) -> None:
        batches = feed.subscribe(room, since, settings.HEARTBEAT)
        try:
            async with present(request, room), aclosing(batches):
                async with self._joining:
                    backlog = await anext(batches, None)
                    if backlog is not None:
                        await self._deliver(backlog)
                        self._meter.delivered(backlog, live=False)
                async for batch in batches:
                    await self._deliver(batch)  # an empty one is a sign of life
                    self._meter.delivered(batch)
        except Refusal as refusal:
            await self._end(refusal.close_code, refusal.detail)
        except (HistoryUnavailable, TooManyRooms):
            await self._end(FEED_AWAY.close_code, FEED_AWAY.detail)
        except OSError:  # the client has gone (ASGI: what `send` raises)
            pass
        except Exception:
            logger.exception("%s", room)
            await self._end(INTERNAL_ERROR, "Something went wrong on the server.")
        else:
            await self._end(SERVICE_RESTART, "The server is restarting.")

    async def _end(self, code: int, reason: str) -> None:
        await self._close(code, close_reason(reason))


def _size(text: str | None, data: bytes | None) -> int:
    """The bytes of a message: of a text in UTF-8."""
    if text is None:
        return len(data or b"")
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _allow(scope: Scope) -> None:
    """Refuse another site's page before there is a socket at all (RFC 6455 §10.2)."""
    try:
        check_origin(scope)
    except Refusal as refusal:
        raise DenyConnection from refusal


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
        answer = await self.session.receive(text_data, bytes_data)
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
        answer = async_to_sync(self.session.receive)(text_data, bytes_data)
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
