"""Which rooms a user may enter."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_noop as _

from transports.http.problems import Problem
from transports.http.scope import Scope

_ROOM = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
STAFF_PREFIX = "staff-"
# Programs are told in English; the page says it in its reader's language.
NO_ROOM = _("A room's name has 1 to 64 of the characters a-z, 0-9 and '-'.")
STAFF_ROOM = _("A room whose name starts with 'staff-' is for staff alone.")


def check_room(room: str, user: Any) -> None:
    """Raise `Problem` unless `room` is the name of a room that `user` may enter."""
    if not _ROOM.fullmatch(room):
        raise Problem(404, "room", NO_ROOM)
    if not is_open_to(room, user):
        raise Problem(403, "room", STAFF_ROOM)


def is_open_to(room: str, user: Any) -> bool:
    """Whether `user` may enter `room`."""
    return bool(user.is_staff) or not room.startswith(STAFF_PREFIX)


def enter(scope: Scope, room: str) -> None:
    """`check_room`, now and for as long as the connection is open. Raises `Problem`.

    Who is nobody has nothing to lose: only a user's connection is asked about again.
    """
    check_room(room, scope["user"])
    connection = scope.get("connection")
    if connection is not None:
        connection.enter(room)
