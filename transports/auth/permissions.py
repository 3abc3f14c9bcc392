"""Permissions: the rooms in which a user may read and publish."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from django.utils.module_loading import import_string
from django.utils.translation import gettext_noop as _

from transports.conf import conf
from transports.http.problems import Problem
from transports.http.request import Action, check_room_name

STAFF_PREFIX = "staff-"
STAFF_ROOM = _("Only staff may enter a room whose name starts with 'staff-'.")
NO_ENTRY = _("You may not enter this room.")
NO_PUBLISHING = _("You may not publish to this room.")


def may_enter(user: Any, room: str, action: Literal["read", "publish"]) -> bool:
    """Return whether `user` may read `room` or publish to it: the default of `MAY_ENTER`."""
    return not room.startswith(STAFF_PREFIX) or is_staff(user)


def is_staff(user: Any) -> bool:
    """Return whether `user` is staff; a custom user model may have no staff."""
    return bool(getattr(user, "is_staff", False))


def check_room(room: str, user: Any, action: Action = "read") -> None:
    """Raise `Problem` unless `room` is a valid name and `user` has the permission there."""
    check_room_name(room)
    if not is_open_to(room, user, action):
        no_entry = NO_ENTRY if may_enter(user, room, action) else STAFF_ROOM
        raise Problem(403, "room", NO_PUBLISHING if action == "publish" else no_entry)


def is_open_to(room: str, user: Any, action: Action = "read") -> bool:
    """Return whether `user` has the permission in `room`, by the function in `MAY_ENTER`."""
    return bool(_function(conf.MAY_ENTER)(user, room, action))


@lru_cache(maxsize=8)
def _function(path: str) -> Any:
    return import_string(path) if path else may_enter
