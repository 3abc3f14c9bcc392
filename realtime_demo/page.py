"""The page: every technique side by side, and what the browser needs to know to run it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from realtime_demo.situations import SITUATIONS
from realtime_demo.stage import page as stage
from transports.auth.permissions import check_room
from transports.http.names import has_own_name, name_of
from transports.http.problems import Refusal
from transports.registry import TECHNIQUES, Technique

DEFAULT_ROOM = "lobby"

WINDOWS = (10, 30, 60)  # seconds that the lanes show
INTERVAL = 1_000  # milliseconds from a poll's answer to the next poll
RATE = 1.0  # events a second of the demo's feed, until somebody turns it

# What the scripts say, in one place. Braces are filled in by the browser.
STRINGS = {
    # --- A lane's state
    "connecting": _("Connecting …"),
    "open": _("Open"),
    "openRefused": _("Open; the server refused: {reason}"),
    "reconnecting": _("Reconnecting in {seconds} s. {reason}"),
    "retrying": _("Reconnecting. {reason}"),
    "closed": _("Closed. {reason}"),
    "stopped": _("Stopped"),
    "start": _("Start"),
    "stop": _("Stop"),
    "toggle": _("{action} {technique}"),
    "unreachable": _("The server cannot be reached."),
    "lost": _("The connection was lost."),
    "ended": _("The server ended the connection."),
    "silent": _("Nothing was heard for too long."),
    "malformed": _("The server sent something that cannot be read."),
    # --- What the server refuses, by the code of its problem+json
    "refused_text": _("'text' is a text of 1 to {text} characters."),
    "refused_sender": _("'sender' is a text of 1 to {sender} characters."),
    "refused_rate": _("Too many in too short a time; try again in a moment."),
    "refused_unavailable": _("The feed cannot be reached now; please try again."),
    "refused_session": _("The session has ended: log in again."),
    "refused_elsewhere": _("The stage is controlled from the machine it runs on."),
    "refused_csrf": _("This page is no longer the one that the server knows: load it again."),
    "refused_400": _("This value is not possible."),
    "refused_401": _("Log in first."),
    "refused_403": _("This is not allowed here."),
    "refused_404": _("There is no such thing any more."),
    "refused_409": _("This was published before, and is kept no longer."),
    "refused_413": _("This is too much at once."),
    "refused_429": _("Too many at once; close one, or wait a moment."),
    "refused_500": _("Something went wrong on the server."),
    "refused_503": _("The server cannot do this now; please try again."),
    "refusedOtherwise": _("The server refused it, with status {status}."),
    "tryingAgain": _("The server cannot be reached. Trying again …"),
    # --- Figures
    "milliseconds": _("{value}\u00a0ms"),
    "seconds": _("{value}\u00a0s"),
    "minutes": _("{value}\u00a0min"),
    "perSecond": _("{rate}\u00a0/\u00a0s"),
    "eachSecond": _("{amount}/s"),
    "unlimited": _("unlimited"),
    "ago": _("{seconds}\u00a0s ago"),
    "now": _("now"),
    "published": _("Published"),
    "complete": _("Complete"),
    "completeSince": _("Complete since the reset"),
    "waiting": _("No events yet"),
    "incomplete": _("Missing: {numbers}"),
    "incompleteBefore": _("Something is missing from before"),
    "faulty": _("Nothing is missing, but not each came once and in order"),
    # --- The clock
    "clockUnknown": _("The server's clock has not been read yet; delays are taken as they are."),
    "clockAgrees": _("The two clocks agree within ±\u00a0{uncertainty}."),
    "clockCorrected": _(
        "The server's clock is {offset} {direction} (±\u00a0{uncertainty}); delays are corrected "
        "by that."
    ),
    "ahead": _("ahead"),
    "behind": _("behind"),
    # --- The conversation
    "join": _("joined"),
    "leave": _("left"),
    "announcement": _("Announcement"),
    "reset": _("Events missed: {missed}"),
    "resetUnknown": _("Events missed, number unknown"),
    "resetText": _("The server no longer has what came before."),
    "edited": _("edited"),
    "deleted": _("deleted"),
    "edit": _("Edit"),
    "editLabel": _("The new text"),
    "editSave": _("Save"),
    "delete": _("Delete"),
    "deleteSure": _("Really delete?"),
    "here": _("Here: {people}"),
    # --- One event
    "backlog": _("from before"),
    "never": _("never came"),
    "notHere": _("not here yet"),
    "picked": _("{event} {delays}"),
    "whyOpen": _("The connection was open: sent at once."),
    "whyHeld": _("A request was already waiting at the server: answered at once."),
    "whyAsked": _("Waited {wait} until the browser asked again."),
    "whyCut": _("The connection was cut; brought after coming back."),
    "whyBacklog": _("Published before this lane began."),
    "whyNotHere": _("Not here yet."),
    "whyNever": _("It will not come: the server no longer has it."),
    "wireNeedsTap": _(
        "The bytes are caught by a tap that only the demo puts in between: make demo."
    ),
    "wireGone": _("These bytes are no longer kept, or that event never came to you this way."),
    "wireOf": _("On the wire: {technique}"),
    "wireRequest": _("Request head"),
    "wireResponse": _("Response head"),
    "wireCarrier": _("What carried it"),
    "wireSent": _("What this browser sent on the same connection"),
    "source": _("Source"),
    "standardHtml": _("HTML Standard"),
    # --- What the reader did
    "setting_rate": _("Feed"),
    "setting_interval": _("Poll every"),
    "setting_rtt": _("Round trip"),
    "setting_jitter": _("Jitter"),
    "setting_bandwidth": _("Bandwidth"),
    "feedStart": _("Start"),
    "feedStop": _("Stop"),
    "feedIn": _("in {room}"),
    "noteSetting": _("{setting} {value}"),
    "noteFeedOn": _("Feed on"),
    "noteFeedOff": _("Feed off"),
    "noteBurst": _("Burst of {count}"),
    "noteCut": _("Cut"),
    "noteStall": _("Stalled"),
    "noteStallOver": _("Flowing again"),
    "noteRestart": _("Server restarts"),
    "note_buffering": _("Buffering proxy"),
    "note_buffering_over": _("No more buffering"),
    "note_gzip": _("gzip"),
    "note_gzip_over": _("No more gzip"),
    "noteConnections": _("{count} more connections"),
    "noteForgotten": _("Figures from here"),
    # --- Situations
    "sceneRun": _("Run"),
    "sceneAgain": _("Run again"),
    "sceneRight": _("Right."),
    "sceneWrong": _("Not quite."),
    "sceneNeedsStage": _("This one needs the demo's stage: start it with make demo."),
    "sceneElsewhere": _(
        "The feed and the network are controlled on the machine that runs the demo."
    ),
    # --- For screen readers
    "summary": _("{count} events so far. Median delay: {medians}."),
    "summaryItem": _("{technique} {delay}"),
    "stateChange": _("{technique}: {state}"),
}

View = Callable[..., HttpResponseBase]


def strict_content_security_policy(view: View) -> View:
    """Only what comes from this server runs, and none of it inline: text that looks like
    markup stays text even if a script forgot that it is."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        try:
            # Not every browser counts a WebSocket to the same host as 'self'.
            socket = f" {'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
        except DisallowedHost:  # which this page says, and it opens none
            socket = ""
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self'{socket}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        return response

    return wrapped


def personal(view: View) -> View:
    """A page with somebody's name on it is kept nowhere: neither by a proxy, nor by a browser
    for whoever comes after them and goes back."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if hasattr(request, "user") and request.user.is_authenticated:
            add_never_cache_headers(response)
        return response

    return wrapped


@require_safe
@strict_content_security_policy
@personal
def page(request: HttpRequest) -> HttpResponse:
    """Every technique in one room; `?room=` names it."""
    room = request.GET.get("room", DEFAULT_ROOM)
    techniques = [technique for technique in TECHNIQUES if technique.on_page]
    context: dict[str, Any] = {"room": room, "techniques": techniques}
    try:
        check_room(room, request.user)
    except Refusal as refusal:
        return render(request, "page.html", {**context, "refusal": refusal}, status=refusal.status)
    context.update(for_scripts(request, room, techniques))
    context["configuration"]["situations"] = [each.for_browser() for each in SITUATIONS]
    context["limits"] = {"text": settings.TEXT_LENGTH, "sender": settings.SENDER_LENGTH}
    return render(request, "page.html", context)


def for_scripts(request: HttpRequest, room: str, techniques: Iterable[Technique]) -> dict[str, Any]:
    """The context of a page with board.html in it, in `room`, with a lane for each technique."""
    return {
        "windows": WINDOWS,
        "strings": STRINGS,
        "configuration": {
            "room": room,
            "publish": f"/publish/{room}/",
            "clock": reverse("clock"),
            "rooms": "/rooms/",
            "theory": "/theory/",
            "heartbeat": settings.HEARTBEAT * 1000,
            "interval": INTERVAL,
            "rate": RATE,
            "language": get_language(),
            # Who is logged in is present under that name, whatever the form says.
            "name": name_of(request.user),
            "changes": {
                "name": name_of(request.user) if has_own_name(request.user) else "",
                "isStaff": getattr(request.user, "is_staff", False),
            },
            "techniques": [_for_browser(technique, room) for technique in techniques],
            "stage": stage.for_page(request),
        },
    }


def _for_browser(technique: Technique, room: str) -> dict[str, Any]:
    module, _, export = technique.source.partition(":")
    dark, light = technique.colour
    return {
        "name": technique.name,
        "label": gettext(technique.label),
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
