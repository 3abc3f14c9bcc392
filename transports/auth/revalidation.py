"""Authorization checked again while a connection is open.

One sweep for the whole process looks up the distinct sessions and tokens of all users'
connections together, in a thread. Anonymous connections are not re-checked.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.db import DatabaseError, close_old_connections
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from transports.auth.models import Token
from transports.auth.permissions import check_room, is_open_to
from transports.auth.tokens import Claim, invalid_token, revoked
from transports.http.base import reject
from transports.http.problems import Problem
from transports.http.scope import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)

INTERVAL = 2.0  # seconds between two sweeps; what has ended is closed within twice that


class Credential(NamedTuple):
    """What a connection was authenticated by: a session's key or a token's claim."""

    session: str | None = None
    token: Claim | None = None


class Connection:
    """A user's request or socket, ended from outside when the user's rights end.

    It is the `transports.http.request.Guard` in its scope.
    """

    def __init__(self, scope: Scope, credential: Credential) -> None:
        self.kind: str = scope["type"]
        self.user = scope["user"]
        self.credential = credential
        self.rooms: set[str] = set()
        self._problem: Problem | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancellations = 0
        self._last_sent = ""  # the last message's type
        self._is_complete = False

    def check(self, room: str) -> None:
        check_room(room, self.user)

    def enter(self, room: str) -> None:
        self.check(room)
        self.rooms.add(room)
        watch().add(self)

    def leave(self, room: str) -> None:
        self.rooms.discard(room)

    async def run(
        self, application: Application, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run `application` until it ends, or `end` is called: as `asyncio.timeout` does it."""

        async def observed(message: dict[str, Any]) -> None:
            self._last_sent = message["type"]
            self._is_complete = not message.get("more_body") and self._last_sent.endswith(".body")
            await send(message)

        self._task = asyncio.current_task()
        try:
            await application({**scope, "guard": self}, receive, observed)
        except asyncio.CancelledError:
            task, self._task = self._task, None  # from here on it is not cancelled again
            if self._problem is None or task is None:
                raise
            if [task.uncancel() for _ in range(self._cancellations)][-1] > 0:
                raise
            if self._last_sent == "http.response.start":
                # `Content-Length` has been sent but the body will not follow: the server aborts
                # the connection, or the next response would be read as this body.
                raise
            await self._tell(self._problem, send)
        finally:
            watch().discard(self)

    def end(self, problem: Problem) -> None:
        """Cancel it: at every sweep, until it takes; libraries can swallow a cancellation."""
        if self._task is not None:
            self._problem = self._problem or problem
            self._cancellations += 1
            self._task.cancel()

    async def _tell(self, problem: Problem, send: Send) -> None:
        if self.kind == "websocket":
            close = {"code": problem.close_code, "reason": problem.close_reason}
            await send({"type": "websocket.close", **close})
        elif not self._last_sent:
            await reject(send, problem)  # a long poll, still held
        elif not self._is_complete:
            # A stream: too late for a status. The client's next request is told.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def judge(self, standing: Mapping[str | UUID, Any]) -> None:
        """End the connection if by the database's present word it may not be."""
        session, token = self.credential
        if token is not None:
            user = standing.get(token.id)
            if token.expires <= time.time():
                return self.end(invalid_token("The token has expired; ask for a new one."))
            if user is None:
                return self.end(revoked())
        else:
            user = standing.get(session or "")
            if user is None:
                challenge = {"WWW-Authenticate": "Bearer"}  # a 401 needs one (RFC 9110 §11.6.1)
                ended = Problem(401, "session", "The session has ended: log in again.", challenge)
                return self.end(ended)
        self.user.is_staff = user.is_staff  # for the rooms that it has yet to enter
        setattr(self.user, user.USERNAME_FIELD, user.get_username())  # for what it has yet to say
        if not all(is_open_to(room, user) for room in self.rooms):
            self.end(Problem(403, "room", "This room is no longer open to you."))


class Watch:
    """The users' open connections of one event loop, and the sweep over them."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        self._open.add(connection)
        if self._task is None:
            # An empty context: the sweep outlives the request that happened to start it.
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._sweep(), context=contextvars.Context())

    def discard(self, connection: Connection) -> None:
        self._open.discard(connection)

    async def _sweep(self) -> None:
        try:
            while self._open:
                await asyncio.sleep(INTERVAL)
                credentials = {connection.credential for connection in self._open}
                try:
                    standing = await asyncio.to_thread(look_up, credentials)
                # Who is in stays in: an outage ends nobody's rights, and gives nobody any.
                except DatabaseError as error:
                    logger.warning("Access could not be checked again (%r).", error)
                    continue
                except Exception:
                    logger.exception("Access could not be checked again")
                    continue
                for connection in [c for c in self._open if c.credential in credentials]:
                    connection.judge(standing)
        finally:
            self._task = None


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch() -> Watch:
    """The running loop's watch."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())


def look_up(credentials: set[Credential]) -> dict[str | UUID, Any]:
    """The active user behind each session's key and token's id that still stands.

    Three queries at most, however many connections there are.
    """
    close_old_connections()
    try:
        keys = [credential.session for credential in credentials if credential.session]
        ids = [credential.token.id for credential in credentials if credential.token]
        sessions = Session.objects.in_bulk(keys) if keys else {}
        tokens = Token.objects.in_bulk(ids) if ids else {}
        whose: dict[str | UUID, Any] = {key: row.user_id for key, row in tokens.items()}
        hashes: dict[str | UUID, str] = {}
        primary_key = get_user_model()._meta.pk
        for key, session in sessions.items():
            data = session.get_decoded()
            if session.expire_date > timezone.now() and SESSION_KEY in data:
                whose[key] = primary_key.to_python(data[SESSION_KEY])
                hashes[key] = data.get(HASH_SESSION_KEY, "")
        users = get_user_model()._default_manager.in_bulk(list(set(whose.values())))
    finally:
        close_old_connections()
    standing = {}
    for key, user_id in whose.items():
        user = users.get(user_id)
        if user is None or not user.is_active:
            continue
        # A new password ends the sessions begun with the old one.
        if key in hashes and not constant_time_compare(hashes[key], user.get_session_auth_hash()):
            continue
        standing[key] = user
    return standing
