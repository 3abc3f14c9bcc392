"""Validation of texts and names from the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category

from transports.conf import conf
from transports.http.problems import Problem

# Control characters, line separators, and the marks that change the direction (UAX #9 §2).
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Invisible characters: formats, combining marks and spaces, by their general category in Unicode;
# and letters without a glyph (fillers).
_INVISIBLE = frozenset({"Cf", "Mn", "Me", "Zs"})
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def text_of(document: Mapping[str, Any], name: str, most: int) -> str:
    """Return the member `name`, a string of 1 to `most` characters. Raises `Problem`."""
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise Problem(
            400, name, f"'{name}' must be a string of 1 to {most} characters; got {shown(value)}."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Problem(
            400, name, f"'{name}' must be valid Unicode; got half of a surrogate pair."
        ) from error
    return value


def shown(value: object) -> str:
    """Return a JSON value as an error message shows it, in at most 40 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def name_in(document: Mapping[str, Any], member: str) -> str:
    """Return the member `member`, a name of 1 to `SENDER_LENGTH` characters. Raises `Problem`.

    Names are shown beside other text: reject line ends, marks that change the direction of the
    text after them (UAX #9 §2), and names made only of invisible characters.
    """
    name = text_of(document, member, conf.SENDER_LENGTH)
    visible = (each for each in name if category(each) not in _INVISIBLE and each not in _FILLERS)
    if _NOT_IN_NAMES.search(name) or next(visible, None) is None:
        raise Problem(
            400,
            "name",
            f"'{member}' must be one line of visible text, without control characters or marks "
            f"that change the direction; got {shown(name)}.",
        )
    return name


def name_of(user: Any) -> str:
    """Return the name under which a user publishes: the username, cut to `SENDER_LENGTH`."""
    return str(user.get_username())[: conf.SENDER_LENGTH]


def has_own_name(user: Any) -> bool:
    """Return whether `name_of` identifies the user: two users may share a name that was cut."""
    return bool(user.is_authenticated) and user.get_username() == name_of(user)
