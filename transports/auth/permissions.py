"""Which rooms a user may enter."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_noop as _

from transports.http.problems import Problem
from transports.http.request import check_room_name

STAFF_PREFIX = "staff-"
STAFF_ROOM = _("A room whose name starts with 'staff-' is for staff alone.")


def check_room(room: str, user: Any) -> None:
    """Raise `Problem` unless `room` is the name of a room that `user` may enter."""
    check_room_name(room)
    if not is_open_to(room, user):
        raise Problem(403, "room", STAFF_ROOM)


def is_open_to(room: str, user: Any) -> bool:
    """Whether `user` may enter `room`."""
    return bool(user.is_staff) or not room.startswith(STAFF_PREFIX)
