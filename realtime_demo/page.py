"""The page: every technique side by side, and what the browser needs to know to run it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from realtime_demo.stage import page as stage
from transports.access import check_room
from transports.refusals import Refusal
from transports.techniques import TECHNIQUES, Technique

DEFAULT_ROOM = "lobby"

# What the scripts say, in one place. Braces are filled in by the browser.
STRINGS = {
    "connecting": "Connecting …",
    "open": "Open",
    "openRefused": "Open; the server refused: {reason}",
    "reconnecting": "Reconnecting in {seconds} s. {reason}",
    "retrying": "Reconnecting. {reason}",
    "closed": "Closed. {reason}",
    "stopped": "Stopped",
    "start": "Start",
    "stop": "Stop",
    "toggle": "{action} {technique}",
    "milliseconds": "{value}\u00a0ms",
    "seconds": "{value}\u00a0s",
    "minutes": "{value}\u00a0min",
    "backlog": "from before",
    "uncounted": "{delay}, hidden",
    "join": "joined",
    "leave": "left",
    "announcement": "Announcement",
    "reset": "Events missed: {missed}",
    "resetUnknown": "Events missed, number unknown",
    "resetText": "The server no longer has what came before.",
    "complete": "Complete",
    "completeSince": "Complete since the reset",
    "waiting": "No events yet",
    "incomplete": "Missing: {numbers}",
    "incompleteBefore": "Something is missing from before",
    "faulty": "Nothing is missing, but not each came once and in order",
    "clockUnknown": "The server's clock has not been read yet; delays are taken as they are.",
    "clockAgrees": "The two clocks agree within ±\u00a0{uncertainty}.",
    "clockCorrected": "The server's clock is {offset} {direction} (±\u00a0{uncertainty}); delays "
    "are corrected by that.",
    "ahead": "ahead",
    "behind": "behind",
    "unreachable": "The server cannot be reached.",
    "lost": "The connection was lost.",
    "ended": "The server ended the connection.",
    "silent": "Nothing was heard for too long.",
    "malformed": "The server sent something that cannot be read.",
    "summary": "{count} events so far. Median delay: {medians}.",
    "summaryItem": "{technique} {delay}",
    "stateChange": "{technique}: {state}",
}

View = Callable[..., HttpResponseBase]


def strict_content_security_policy(view: View) -> View:
    """Only what comes from this server runs, and none of it inline: text that looks like
    markup stays text even if a script forgot that it is."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        socket = f"{'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            # Not every browser counts a WebSocket to the same host as 'self'.
            f"connect-src 'self' {socket}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        return response

    return wrapped


@require_safe
@strict_content_security_policy
def page(request: HttpRequest) -> HttpResponse:
    """Every technique in one room; `?room=` names it."""
    room = request.GET.get("room", DEFAULT_ROOM)
    techniques = [technique for technique in TECHNIQUES if technique.on_page]
    context: dict[str, Any] = {"room": room, "techniques": techniques}
    try:
        check_room(room, request.user)
    except Refusal as refusal:
        return render(request, "page.html", {**context, "refusal": refusal}, status=refusal.status)
    context["strings"] = STRINGS
    context["limits"] = {"text": settings.TEXT_LENGTH, "sender": settings.SENDER_LENGTH}
    context["configuration"] = {
        "room": room,
        "publish": f"/publish/{room}/",
        "clock": reverse("clock"),
        "heartbeat": settings.HEARTBEAT * 1000,
        "stage": stage.for_page(request),
        "theory": "/theory/",
        "techniques": [_for_browser(technique, room) for technique in techniques],
    }
    return render(request, "page.html", context)


def _for_browser(technique: Technique, room: str) -> dict[str, Any]:
    module, _, export = technique.source.partition(":")
    dark, light = technique.colour
    return {
        "name": technique.name,
        "label": technique.label,
        "url": technique.url_path(room),
        "module": static(module),
        "export": export,
        "colour": {"dark": dark, "light": light},
    }


@require_safe
@never_cache
def clock(request: HttpRequest) -> JsonResponse:
    """`{"now"}`: the server's clock in Unix seconds, the one that `published_at` is read from."""
    return JsonResponse({"now": time.time()})
