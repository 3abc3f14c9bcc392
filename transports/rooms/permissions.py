"""Permissions of rooms with rows: the function for the setting `MAY_ENTER`."""

from __future__ import annotations

from typing import Any

from transports.auth import permissions
from transports.http.request import Action
from transports.rooms.directory import directory


def may_enter(user: Any, room: str, action: Action) -> bool:
    """Return whether `user` may enter `room`: only staff may if its row is `staff_only`."""
    listing = directory.listings().get(room)
    if listing is not None and listing.staff_only and not permissions.is_staff(user):
        return False
    return permissions.may_enter(user, room, action)
