"""Strings from the wire: texts, and the names that stand beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category

from transports.conf import conf
from transports.http.problems import Problem

_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# What is invisible by itself: formats, marks of a letter, spaces (general categories of Unicode),
# and the letters that only fill a place.
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Zs"})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


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
    name = text_of(document, member, conf.SENDER_LENGTH)
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
    return str(user.get_username())[: conf.SENDER_LENGTH]


def has_own_name(user: Any) -> bool:
    """Whether `name_of` is nobody else's: a name that was cut could be two users'."""
    return bool(user.is_authenticated) and user.get_username() == name_of(user)
