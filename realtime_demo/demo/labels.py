"""Labels of requests for the tap's counts: the technique, `PAGE` or `OTHER`."""

from __future__ import annotations

import re

from django.conf import settings

from transports.registry import TECHNIQUES

PAGE = "page"  # the connection that each open page keeps for the demo's state
OTHER = "other"  # the page, its scripts, publishing, the demo's controls
STREAMS = tuple(technique.name for technique in TECHNIQUES if technique.is_stream)
POLLED = tuple(technique.name for technique in TECHNIQUES if technique.is_polled)

_PATHS = [
    (re.compile("/stage/live/"), PAGE),
    *(
        (re.compile(re.escape(technique.path).replace(r"\{room\}", "[^/]+")), technique.name)
        for technique in TECHNIQUES
    ),
]


def label_of(target: str) -> str:
    """Return the label of a request target (`/polling/lobby/?since=…`)."""
    path = target.partition("?")[0].removeprefix(settings.FORCE_SCRIPT_NAME or "")
    for pattern, name in _PATHS:
        if pattern.fullmatch(path):
            return name
    return OTHER
