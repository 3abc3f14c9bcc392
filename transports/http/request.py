"""The request of a technique: room, user and cursor, as in the wire contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import lru_cache
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.functional import cached_property  # functools' takes a lock before Python 3.12
from django.utils.translation import gettext_noop as _

from transports.conf import conf
from transports.events import ROOM_NAME, Cursor, InvalidCursor
from transports.http.problems import Problem
from transports.http.scope import Receive, Scope, header

# The API sends it in English; the page translates it.
NO_ROOM = _("A room's name must have 1 to 64 of the characters a-z, 0-9 and '-'.")
NEEDS_STACK = "needs transports.auth.middleware.TokenAuthMiddlewareStack in the ASGI application."
_SECONDS = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")

Action = Literal["read", "publish"]
T = TypeVar("T")


async def permitted(check: Callable[..., T], *arguments: Any) -> T:
    """Return the result of `check`, or raise its `Problem`; `MAY_ENTER` may query the database.

    Only a query costs a thread: Django rejects it in the event loop, and the check is then
    repeated in a thread.
    """
    try:
        return check(*arguments)
    except SynchronousOnlyOperation:
        result: T = await database_sync_to_async(check, thread_sensitive=False)(*arguments)
        return result


class Guard(Protocol):
    """The guard in `scope["guard"]`: checks which rooms a request or socket may use, and ends it
    when that changes. Without a guard, every room is open."""

    def check(self, room: str, action: Action = "read") -> None:
        """Raise `Problem` unless `room` is a valid name and open for the action."""

    def enter(self, room: str) -> None:
        """Check now, and for as long as the request or socket lasts."""

    def leave(self, room: str) -> None: ...


class Announcer(Protocol):
    """The object in `scope["presence"]`, which announces the people in a room."""

    def present(self, request: Request, room: str) -> AbstractAsyncContextManager[None]:
        """Announce the request's name in `room` while the block lasts."""


class Unguarded:
    """The guard of a project without authentication: every room is open."""

    def check(self, room: str, action: Action = "read") -> None:
        """Raise `Problem` for an invalid name, or if only the middleware can apply `MAY_ENTER`."""
        check_room_name(room)
        if conf.MAY_ENTER:
            raise Problem(403, "room", f"The setting MAY_ENTER {NEEDS_STACK}")

    enter = check

    def leave(self, room: str) -> None:
        """Do nothing."""


class Anonymous:
    """The user of a project without authentication."""

    pk = None
    is_authenticated = is_staff = False


ANONYMOUS, UNGUARDED = Anonymous(), Unguarded()


class Request:
    """A parsed and permitted HTTP request, or the handshake of a socket.

    `room` is empty if the path has none. Raises `Problem` if the room is invalid or forbidden,
    authentication failed, or a limit was exceeded.
    """

    def __init__(self, scope: Scope, receive: Receive | None = None) -> None:
        if "problem" in scope:
            raise scope["problem"]
        self.scope, self.receive = scope, receive
        self.user: Any = scope.get("user", ANONYMOUS)
        self.guard: Guard = scope.get("guard", UNGUARDED)
        if self.guard is UNGUARDED and self.user.is_authenticated:
            # Without a guard, the connection would outlive a log-out.
            raise Problem(403, "user", f"A user's connection {NEEDS_STACK}")
        self.query = parse_query(scope["query_string"])
        self.room: str = scope["url_route"]["kwargs"].get("room", "")
        if "room" in scope["url_route"]["kwargs"]:
            self.guard.enter(self.room)

    def present(self, room: str) -> AbstractAsyncContextManager[None]:
        """Announce the client in `room` while the block lasts, if the request has a `name`."""
        announcer: Announcer | None = self.scope.get("presence")
        if announcer is None or "name" not in self.query:
            return nullcontext()
        return announcer.present(self, room)

    async def disconnected(self) -> None:
        """Return once the client has disconnected; before, discard an unexpected body."""
        while self.receive and (await self.receive())["type"] != "http.disconnect":
            pass

    @cached_property
    def since(self) -> Cursor | None:
        """The cursor to resume from; a browser's EventSource sends it in `Last-Event-ID`."""
        return parse_since(
            header(self.scope, b"last-event-id").decode("latin-1") or self.query.get("since")
        )

    def seconds(self, name: str, default: float, most: float) -> float:
        """Return the duration `name` in the query, in seconds, cut to `most`."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not _SECONDS.fullmatch(text):  # float() also accepts "1_0", "inf", non-ASCII digits
            raise Problem(
                400,
                name,
                f"'{name}' must be a number of seconds from 0 to {most:g}; got {text[:40]!r}.",
            )
        return min(float(text), most)


@lru_cache(maxsize=128)
def parse_query(query: bytes) -> Mapping[str, str]:
    """Return the parameters in `query`: clients at the same position send the same."""
    text = query.decode("ascii", "replace")
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))


def check_room_name(room: str) -> None:
    """Raise `Problem` unless `room` is a valid name of a room."""
    if not ROOM_NAME.fullmatch(room):
        raise Problem(404, "room", NO_ROOM)


@lru_cache(maxsize=1024)
def parse_since(text: str | None) -> Cursor | None:
    """Return the cursor in `text`; None if it is empty. Raises `Problem`."""
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except InvalidCursor as error:
        raise Problem(400, "cursor", str(error)) from error
