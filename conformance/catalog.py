"""All cases, and their selection by profile and section."""

from __future__ import annotations

from collections.abc import Sequence
from gettext import gettext as _

from . import contract, headers, http1, longpoll, ndjson, sse, websocket
from .case import Case

CASES: list[Case] = [
    *http1.CASES,
    *headers.CASES,
    *sse.CASES,
    *ndjson.CASES,
    *longpoll.CASES,
    *websocket.CASES,
    *contract.CASES,
]
KINDS = {
    "http": ("http",),
    "sse": ("http", "sse"),
    "ndjson": ("http", "ndjson"),
    "longpoll": ("http", "longpoll"),
    "websocket": ("http", "websocket"),
    "ours": ("http", "sse", "ndjson", "longpoll", "websocket", "ours"),
}


def select(profile: str, sections: Sequence[str] = ()) -> list[Case]:
    """Return the cases of `profile`, of the named sections only.

    Raises `ValueError` for a section without a case in this profile.
    """
    cases = [case for case in CASES if case.kind in KINDS[profile]]
    for section in sections:
        if not any(case.is_in(section) for case in cases):
            elsewhere = [
                name
                for name, kinds in KINDS.items()
                if any(case.is_in(section) and case.kind in kinds for case in CASES)
            ]
            message = _("no case of profile {profile} is in {section!r}")
            if elsewhere:
                message = _(
                    "no case of profile {profile} is in {section!r}; it needs --profile {profiles}"
                )
            profiles = _(" or ").join(elsewhere)
            raise ValueError(message.format(profile=profile, section=section, profiles=profiles))
    if not sections:
        return cases
    return [case for case in cases if any(case.is_in(section) for section in sections)]
