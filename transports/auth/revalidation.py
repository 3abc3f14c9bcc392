"""Periodic re-checks of authentication and permissions while a connection is open.

One sweep for all users' connections of the process queries their distinct sessions and tokens
together, in a thread. Anonymous connections are not re-checked.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model
from django.db import DatabaseError

from transports.auth.models import Token
from transports.auth.permissions import check_room, is_open_to
from transports.auth.sessions import is_current, read_sessions, user_id_in
from transports.auth.tokens import Claim, invalid_token, revoked
from transports.http.base import reject
from transports.http.problems import Problem, unavailable
from transports.http.request import Action
from transports.http.scope import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)

INTERVAL = 2.0  # seconds between sweeps; connections close within twice that after a change
GRACE = 60.0  # seconds of a database outage after which users' connections close

ActiveUsers = Mapping[str | UUID, Any]  # by session key or token id
ClosedRooms = Mapping[tuple[str | UUID, str], Problem]  # by session key or token id, and room
_NONE_CLOSED: ClosedRooms = {}

UNCHECKED = unavailable("The user's rights could not be checked; try again.")
FORBIDDEN = Problem(403, "room", "You may no longer enter this room.")

_in_thread = partial(database_sync_to_async, thread_sensitive=False)


class Credential(NamedTuple):
    """The credential of a connection: a session's key or a token's claim."""

    session: str | None = None
    token: Claim | None = None


class UserConnection:
    """A user's request or socket, which is cancelled when the user's rights end.

    It is the `transports.http.request.Guard` of its scope.
    """

    def __init__(self, scope: Scope, credential: Credential) -> None:
        self.kind: str = scope["type"]
        self.user = scope["user"]
        self.credential = credential
        self.rooms: set[str] = set()
        self._watch = watch()
        self._problem: Problem | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancellations = 0
        self._last_sent = ""  # the last message's type
        self._is_complete = False
        self.has_ended = False

    def check(self, room: str, action: Action = "read") -> None:
        check_room(room, self.user, action)

    def enter(self, room: str) -> None:
        self.check(room)
        self.rooms.add(room)
        self._watch.add(self)

    def leave(self, room: str) -> None:
        self.rooms.discard(room)

    async def run(
        self, application: Application, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run `application`; once `end` has cancelled it, send the problem.

        Counts cancellations as `asyncio.timeout` does.
        """

        async def observed_send(message: dict[str, Any]) -> None:
            await send(message)  # waits for a slow client: note the type only afterwards
            self._last_sent = message["type"]
            self._is_complete = not message.get("more_body") and self._last_sent.endswith(".body")

        self._task = asyncio.current_task()
        try:
            scope["guard"] = self
            await application(scope, receive, observed_send)
        except asyncio.CancelledError:
            task, self._task = self._task, None  # no further cancellations
            if self._problem is None or task is None:
                raise
            if [task.uncancel() for _ in range(self._cancellations)][-1] > 0:
                raise  # also cancelled from elsewhere
            if self._last_sent == "http.response.start":
                # `Content-Length` has been sent but the body will not follow: the server aborts
                # the connection, or the next response would be read as this body.
                raise
            await self._send_problem(self._problem, send)
        finally:
            self.has_ended = True
            self._watch.discard(self)

    def end(self, problem: Problem) -> None:
        """Cancel the connection; called at every sweep, as libraries can swallow a cancellation."""
        if self._task is not None:
            self._problem = self._problem or problem
            self._cancellations += 1
            self._task.cancel()

    async def _send_problem(self, problem: Problem, send: Send) -> None:
        if self.kind == "websocket":
            close = {"code": problem.close_code, "reason": problem.close_reason}
            await send({"type": "websocket.close", **close})
        elif not self._last_sent:
            await reject(send, problem)  # a long poll that is still waiting
        elif not self._is_complete:
            # A stream: too late for a status. The client's next request receives the problem.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def key(self) -> str | UUID:
        session, token = self.credential
        return token.id if token is not None else session or ""

    def revalidate(self, active_users: ActiveUsers, closed: ClosedRooms = _NONE_CLOSED) -> None:
        """End the connection if its user is inactive or may no longer enter one of its rooms.

        `active_users` is keyed by session key or token id; `closed` also by room.
        """
        token = self.credential.token
        user = active_users.get(self.key)
        if token is not None:
            if token.expires <= time.time():
                return self.end(invalid_token("The token has expired; ask for a new one."))
            if user is None:
                return self.end(revoked())
        else:
            if user is None:
                challenge = {"WWW-Authenticate": "Bearer"}  # required with 401 (RFC 9110 §11.6.1)
                problem = Problem(401, "session", "The session has ended; log in again.", challenge)
                return self.end(problem)
        self.user.__dict__.update(user.__dict__)  # for rooms entered and events published later
        for room in self.rooms:
            if (self.key, room) in closed:
                return self.end(closed[self.key, room])


class Watch:
    """The users' open connections of one event loop, and the sweep over them."""

    def __init__(self) -> None:
        self._open: set[UserConnection] = set()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: UserConnection) -> None:
        """Check the connection at each sweep. Called in a thread if `MAY_ENTER` queries."""
        self._loop.call_soon_threadsafe(self._add, connection)

    def _add(self, connection: UserConnection) -> None:
        if connection.has_ended:  # during the query of `MAY_ENTER`
            return
        self._open.add(connection)
        if self._task is None:
            # An empty context: the sweep outlives the request that started it.
            self._task = self._loop.create_task(self._sweep(), context=contextvars.Context())

    def discard(self, connection: UserConnection) -> None:
        self._open.discard(connection)

    async def _sweep(self) -> None:
        checked_at = time.monotonic()
        active_users: ActiveUsers | None
        closed: ClosedRooms = _NONE_CLOSED
        try:
            while self._open:
                await asyncio.sleep(INTERVAL)
                checked = [*self._open]
                credentials = {connection.credential for connection in checked}
                rooms = {(each.key, room) for each in checked for room in each.rooms}
                try:
                    active_users = await _in_thread(look_up)(credentials)
                    closed = await _in_thread(closed_rooms)(rooms, active_users)
                    checked_at = time.monotonic()
                # A short outage neither ends nor grants rights.
                except DatabaseError as error:
                    logger.warning("Open connections could not be re-checked (%r).", error)
                    if time.monotonic() - checked_at < GRACE:
                        continue
                    active_users = None
                except Exception:
                    logger.exception("Open connections could not be re-checked")
                    active_users = None
                for connection in [each for each in checked if each in self._open]:
                    if active_users is not None:
                        connection.revalidate(active_users, closed)
                    else:
                        connection.end(UNCHECKED)
        finally:
            self._task = None


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch() -> Watch:
    """Return the running loop's watch."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())


def closed_rooms(rooms: set[tuple[str | UUID, str]], users: ActiveUsers) -> ClosedRooms:
    """Return a problem for each room that its user may no longer enter."""
    closed = {}
    for key, room in rooms:
        try:
            if key in users and not is_open_to(room, users[key]):
                closed[key, room] = FORBIDDEN
        except DatabaseError:
            raise
        except Exception:  # of the function in `MAY_ENTER`
            logger.exception("The permission to enter %s could not be re-checked", room)
            closed[key, room] = UNCHECKED
    return closed


def look_up(credentials: set[Credential]) -> dict[str | UUID, Any]:
    """Return the active user of each session key and token id that is still valid.

    Runs at most three queries, regardless of the number of connections, if the sessions are in the
    database; other engines read each session.
    """
    keys = {credential.session for credential in credentials if credential.session}
    ids = [credential.token.id for credential in credentials if credential.token]
    sessions = read_sessions(keys) if keys else {}
    tokens = Token.objects.in_bulk(ids) if ids else {}
    user_ids: dict[str | UUID, Any] = {key: row.user_id for key, row in tokens.items()}
    user_ids |= {key: user_id_in(data) for key, data in sessions.items()}
    users = get_user_model()._default_manager.in_bulk(list(set(user_ids.values())))
    active_users = {}
    for key, user_id in user_ids.items():
        user = users.get(user_id)
        if user is None or not user.is_active:
            continue
        if isinstance(key, str) and not is_current(sessions[key], user):
            continue  # a new password ends the sessions begun with the old one
        active_users[key] = user
    return active_users
