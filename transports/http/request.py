"""What a technique's request says: room, user, cursor, as the wire contract has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from unicodedata import category
from urllib.parse import parse_qsl

from django.conf import settings

from transports.auth.permissions import enter
from transports.auth.tokens import check_query
from transports.events import Cursor, InvalidCursor
from transports.http.problems import Problem
from transports.http.scope import Scope, header

_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# What nobody sees by itself: formats, marks of a letter, spaces (general categories of Unicode),
# and the letters that only fill a place.
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Zs"})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_SECONDS = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class Request:
    """The parsed, permitted request of an HTTP technique, or the handshake of a socket.

    `room` is empty where the path names none. Raises `Problem` for a room that is none or is
    closed to this user, and for what authentication or a limit has refused.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.user: Any = scope["user"]
        if "problem" in scope:
            raise scope["problem"]
        query = scope["query_string"].decode("ascii", "replace")
        self.query = dict(parse_qsl(query, keep_blank_values=True, errors="replace"))
        check_query(self.query)
        room = scope["url_route"]["kwargs"].get("room")
        if room is not None:
            enter(scope, room)
        self.room: str = room or ""

    @cached_property
    def own_name(self) -> str | None:
        """The name to be present under: a user's own, or the one in `?name=`; None where the
        request does not ask for it."""
        if "name" not in self.query:
            return None
        if self.user.is_authenticated:
            return name_of(self.user)
        return name_in(self.query, "name")

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


def parse_since(text: str | None) -> Cursor | None:
    """A cursor from the wire; None where none was given. Raises `Problem`."""
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except InvalidCursor as error:
        raise Problem(400, "cursor", str(error)) from error


def text_of(document: Mapping[str, Any], name: str, most: int) -> str:
    """The member `name`: a text of 1 to `most` characters. Raises `Problem`."""
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise Problem(400, name, f"'{name}' is a text of 1 to {most} characters.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Problem(
            400, name, f"'{name}' has half a surrogate pair, which is no text."
        ) from error
    return value


def name_in(document: Mapping[str, Any], member: str) -> str:
    """The member `member`: a name of 1 to `SENDER_LENGTH` characters. Raises `Problem`.

    It stands on one line with others: nothing in it ends that line, or turns the direction of
    what comes after it (UAX #9 §2), and something of it is to be seen.
    """
    name = text_of(document, member, settings.SENDER_LENGTH)
    seen = (each for each in name if category(each) not in _UNSEEN and each not in _FILLERS)
    if _NO_NAME.search(name) or next(seen, None) is None:
        raise Problem(
            400,
            "name",
            f"'{member}' is one line with something to see, without control characters or marks "
            "that turn the direction.",
        )
    return name


def name_of(user: Any) -> str:
    """The name under which a user publishes: their own, cut to what a sender may have."""
    return str(user.get_username())[: settings.SENDER_LENGTH]


def has_own_name(user: Any) -> bool:
    """Whether `name_of` is nobody else's: a name that was cut could be two users'."""
    return bool(user.is_authenticated) and user.get_username() == name_of(user)
