"""What one socket has joined, and what its client may say."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from django.conf import settings

from transports import feed
from transports.auth.permissions import check_room, enter
from transports.events import Batch, Cursor, encode
from transports.http.problems import Problem, close_reason, unavailable
from transports.http.publish import parse_json, publish
from transports.http.request import Request, parse_since
from transports.http.scope import Scope, check_host
from transports.hub import TooManyRooms
from transports.operations.metrics import Meter
from transports.presence.service import present
from transports.store.base import HistoryUnavailable

logger = logging.getLogger(__name__)

SERVICE_RESTART = 1012  # IANA WebSocket Close Code Number Registry
INTERNAL_ERROR = 1011  # RFC 6455 §7.4.1
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
        """Join the room of the path; a problem closes the socket with its 4xxx code."""
        try:
            check_host(scope)
            request = Request(scope)
            _ = request.own_name  # what is wrong with it is a problem
            self._subscribe(request, request.room, request.since)
            self._request = request
        except Problem as problem:
            await self._end(problem.close_code, problem.detail)

    async def receive(self, text: str | None) -> str | None:
        """Do what the client says; the answer is an error message, or None."""
        if self._request is None:
            return None  # refused, and closing
        try:
            if text is None:
                raise Problem(400, "binary", "Send text frames: JSON in UTF-8.")
            document = parse_json(text)
            command = self.COMMANDS.get(str(document.get("type")))
            if command is None:
                raise Problem(400, "type", f"'type' is one of {', '.join(self.COMMANDS)}.")
            room = document.get("room")
            if not isinstance(room, str):
                raise Problem(400, "room", "'room' is the name of a room, a text.")
            check_room(room, self._request.user)
            await command(self, self._request, room, document)
        except Problem as problem:
            return encode(problem.message).decode()
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
            raise Problem(400, "cursor", "'since' is a cursor, a text, or not there at all.")
        if room in self._rooms:
            raise Problem(409, "joined", f"The room {room} is joined already.")
        if len(self._rooms) >= settings.MAX_SOCKET_ROOMS:
            most = settings.MAX_SOCKET_ROOMS
            raise Problem(409, "rooms", f"A socket may join at most {most} rooms.")
        cursor = parse_since(since)
        enter(request.scope, room)
        self._subscribe(request, room, cursor)

    async def _leave(self, request: Request, room: str, document: dict[str, Any]) -> None:
        task = self._rooms.pop(room, None)
        if task is None:
            raise Problem(409, "left", f"The room {room} is not joined.")
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
        except Problem as problem:
            await self._end(problem.close_code, problem.detail)
        except (HistoryUnavailable, TooManyRooms):
            await self._end(FEED_AWAY.close_code, FEED_AWAY.detail)
        except Exception:
            logger.exception("%s", room)
            await self._end(INTERNAL_ERROR, "Something went wrong on the server.")
        else:
            await self._end(SERVICE_RESTART, "The server is restarting.")

    async def _end(self, code: int, reason: str) -> None:
        await self._close(code, close_reason(reason))
