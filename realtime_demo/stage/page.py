"""What the page needs to know of the stage."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token

from transports.http.scope import is_on_this_machine

from .says import SAYS


def for_page(request: HttpRequest) -> dict[str, Any] | None:
    """Where the stage is, and whether this page may control it; None outside the demo."""
    if not settings.STAGE_SOCKET:
        return None
    return {
        "url": "/stage/",
        "live": "/stage/live/",
        "csrf": get_token(request),
        "says": {key: str(text) for key, text in SAYS.items()},
        "mayControl": is_on_this_machine(request.scope),  # type: ignore[attr-defined]
    }
