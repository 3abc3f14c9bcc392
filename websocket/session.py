"""The session of one socket: the rooms it has joined, and its client's commands."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from transports import hub
from transports.conf import conf
from transports.events import Batch, Cursor, encode
from transports.http.names import shown
from transports.http.problems import Problem, problem_of
from transports.http.publish import parse_json, publish
from transports.http.request import Request, parse_since, permitted
from transports.http.scope import Scope, check_host
from transports.telemetry import Meter

SERVICE_RESTART = 1012  # IANA WebSocket Close Code Number Registry
TOO_LARGE = 1009  # RFC 6455 §7.4.1


class Session:
    """The rooms of one socket, for either consumer.

    `deliver` is called with each batch, one at a time for each room; `end` with a close
    code and a reason (RFC 6455 §7.4). Both run in the context that created the session.
    """

    def __init__(
        self,
        deliver: Callable[[Batch], Awaitable[None]],
        end: Callable[[int, str], Awaitable[None]],
        meter: Meter,
    ) -> None:
        self._deliver = deliver
        self._end = end
        self._meter = meter
        self._context = contextvars.copy_context()
        self._rooms: dict[str, asyncio.Task[None]] = {}
        # Send one backlog at a time: a slow client may join many rooms.
        self._joining = asyncio.Lock()
        self._request: Request | None = None
        self._ended = False

    async def open(self, scope: Scope) -> None:
        """Join the room of the path, or close the socket with the problem's code."""
        try:
            check_host(scope)
            request = await permitted(Request, scope)
            self._subscribe(request, request.room, request.since)
            self._request = request
        except Problem as problem:
            await self._end_socket(problem.close_code, problem.close_reason)

    async def receive(self, text: str | None, data: bytes | None = None) -> str | None:
        """Run the client's command; return an error message, or None.

        A message over `BODY_SIZE` closes the socket, unless the server itself has rejected it.
        """
        if self._request is None:
            return None  # rejected, and closing
        if _size(text, data) > conf.BODY_SIZE:
            self._request = None
            await self._end_socket(TOO_LARGE, f"A message may have at most {conf.BODY_SIZE} bytes.")
            return None
        try:
            if text is None:
                raise Problem(400, "binary", "Expected a text frame of JSON; got a binary frame.")
            document = parse_json(text)
            command = self.COMMANDS.get(str(document.get("type")))
            if command is None:
                names = ", ".join(self.COMMANDS)
                raise Problem(
                    400,
                    "type",
                    f"'type' must be one of {names}; got {shown(document.get('type'))}.",
                )
            room = document.get("room")
            if not isinstance(room, str):
                raise Problem(400, "room", f"'room' must be the name of a room; got {shown(room)}.")
            await permitted(self._request.guard.check, room)
            await command(self, self._request, room, document)
        except Exception as error:
            return encode(problem_of(error, self._request.scope["path"]).message).decode()
        return None

    async def _publish(self, request: Request, room: str, document: dict[str, Any]) -> None:
        await publish(request, room, document)

    async def _change(self, request: Request, room: str, document: dict[str, Any]) -> None:
        await publish(request, room, document, document["type"])

    async def _join(self, request: Request, room: str, document: dict[str, Any]) -> None:
        since = document.get("since")
        if since is not None and not isinstance(since, str):
            raise Problem(
                400, "cursor", f"'since' must be a cursor string or omitted; got {shown(since)}."
            )
        if room in self._rooms:
            raise Problem(409, "joined", f"The socket has already joined the room {room}.")
        most = conf.MAX_SOCKET_ROOMS
        if len(self._rooms) >= most:
            detail = f"The limit of rooms on a socket is {most}; leave one first."
            raise Problem(409, "rooms", detail)
        cursor = parse_since(since)
        await permitted(request.guard.enter, room)
        self._subscribe(request, room, cursor)

    async def _leave(self, request: Request, room: str, document: dict[str, Any]) -> None:
        task = self._rooms.pop(room, None)
        if task is None:
            raise Problem(409, "left", f"The socket has not joined the room {room}.")
        task.cancel()
        request.guard.leave(room)

    COMMANDS = {
        "publish": _publish,
        "edit": _change,
        "delete": _change,
        "join": _join,
        "leave": _leave,
    }

    def close(self) -> None:
        """Leave every room; a room's own task, if it calls this, goes on."""
        for task in {*self._rooms.values()} - {asyncio.current_task()}:
            task.cancel()
        self._rooms.clear()

    async def _end_socket(self, code: int, reason: str) -> None:
        """Leave every room, then close the socket: nothing may be sent after the close frame."""
        if self._ended:
            return
        self._ended = True
        self.close()
        with contextlib.suppress(OSError):  # the client has disconnected
            await self._end(code, reason)

    def _subscribe(self, request: Request, room: str, since: Cursor | None) -> None:
        loop = asyncio.get_running_loop()
        feeding = self._feed(request, room, since)
        self._rooms[room] = loop.create_task(feeding, context=self._context.copy())

    async def _feed(self, request: Request, room: str, since: Cursor | None) -> None:
        batches = hub.subscribe(room, since, conf.HEARTBEAT)
        try:
            async with request.present(room), aclosing(batches):
                async with self._joining:
                    backlog = await anext(batches, None)
                    if backlog is not None:
                        await self._deliver(backlog)
                        self._meter.delivered(backlog, live=False)
                async for batch in batches:
                    await self._deliver(batch)  # an empty one is a heartbeat
                    self._meter.delivered(batch)
        except OSError:  # the client has disconnected (ASGI: `send` raises it)
            pass
        except Exception as error:
            problem = problem_of(error, request.scope["path"])
            await self._end_socket(problem.close_code, problem.close_reason)
        else:
            await self._end_socket(SERVICE_RESTART, "The server is restarting.")


def _size(text: str | None, data: bytes | None) -> int:
    """Return the length of a message in bytes: of text, in UTF-8."""
    if text is None:
        return len(data or b"")
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
