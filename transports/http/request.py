"""What a technique's request says: room, user, cursor, as the wire contract has them."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol
from urllib.parse import parse_qsl

from django.utils.translation import gettext_noop as _

from transports.events import Cursor, InvalidCursor
from transports.http.problems import Problem
from transports.http.scope import Scope, header

_ROOM = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
# Programs are told in English; the page says it in its reader's language.
NO_ROOM = _("A room's name has 1 to 64 of the characters a-z, 0-9 and '-'.")
_SECONDS = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class Guard(Protocol):
    """`scope["guard"]`: decides which rooms a request or socket may use, and ends it when that
    changes. Without one, every room is open."""

    def check(self, room: str) -> None:
        """Raise `Problem` unless the room is open."""

    def enter(self, room: str) -> None:
        """`check`, now and for as long as the request or socket lasts."""

    def leave(self, room: str) -> None: ...


class Presence(Protocol):
    """`scope["presence"]`: announces who is in a room. Without it, nobody is announced."""

    def present(self, request: Request, room: str) -> AbstractAsyncContextManager[None]:
        """Announce the request's name in `room` while the block lasts."""


class Unguarded:
    """The guard of a project without authentication: every room is open."""

    def check(self, room: str) -> None:
        """Nothing to check."""

    enter = leave = check


class Anonymous:
    """The user of a project without authentication."""

    pk = None
    is_authenticated = is_staff = False


ANONYMOUS, UNGUARDED = Anonymous(), Unguarded()


class Request:
    """The parsed, permitted request of an HTTP technique, or the handshake of a socket.

    `room` is empty where the path has none. Raises `Problem` if the room is invalid or forbidden,
    authentication failed, or a limit was exceeded.
    """

    def __init__(self, scope: Scope) -> None:
        if "problem" in scope:
            raise scope["problem"]
        self.scope = scope
        self.user: Any = scope.get("user", ANONYMOUS)
        self._guard: Guard = scope.get("guard", UNGUARDED)
        self.query = self.parse_query(scope["query_string"])
        self.room: str = scope["url_route"]["kwargs"].get("room", "")
        if "room" in scope["url_route"]["kwargs"]:
            self.enter(self.room)

    @staticmethod
    def parse_query(query: bytes) -> dict[str, str]:
        text = query.decode("ascii", "replace")
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))

    def check(self, room: str) -> None:
        """Raise `Problem` unless `room` is the name of a room that is open to the user."""
        check_room_name(room)
        self._guard.check(room)

    def enter(self, room: str) -> None:
        """`check`, now and for as long as the connection is open."""
        check_room_name(room)
        self._guard.enter(room)

    def leave(self, room: str) -> None:
        self._guard.leave(room)

    def present(self, room: str) -> AbstractAsyncContextManager[None]:
        """Be present in `room` while the block lasts, if the request asks for that."""
        presence: Presence | None = self.scope.get("presence")
        if presence is None or "name" not in self.query:
            return nullcontext()
        return presence.present(self, room)

    @property
    def since(self) -> Cursor | None:
        """The cursor to go on from; `Last-Event-ID` is what a browser's EventSource sends."""
        return parse_since(
            header(self.scope, b"last-event-id").decode("latin-1") or self.query.get("since")
        )

    def seconds(self, name: str, default: float, most: float) -> float:
        """A duration of the query, in seconds, cut to `most`."""
        text = self.query.get(name, "")
        if not text:
            return default
        if not _SECONDS.fullmatch(text):  # float() takes much more: "1_0", "inf", other digits
            raise Problem(
                400, name, f"'{name}' is a number of seconds from 0 to {most:g}; got {text[:40]!r}."
            )
        return min(float(text), most)


def check_room_name(room: str) -> None:
    """Raise `Problem` unless `room` is the name of a room."""
    if not _ROOM.fullmatch(room):
        raise Problem(404, "room", NO_ROOM)


def parse_since(text: str | None) -> Cursor | None:
    """A cursor from the wire; None where none was given. Raises `Problem`."""
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except InvalidCursor as error:
        raise Problem(400, "cursor", str(error)) from error
