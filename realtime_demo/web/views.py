"""Views: the demo page, the technique pages, the texts of the scripts, the clock, error pages."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Any

import segno
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import conditional_page, require_safe
from django.views.i18n import JavaScriptCatalog

from realtime_demo.demo.control_api import configuration_for_page, scope_of
from transports.auth.permissions import check_room, is_staff
from transports.http.names import has_own_name, name_of
from transports.http.origin import is_on_this_machine
from transports.http.problems import Problem
from transports.http.views import csrf_failure
from transports.registry import TECHNIQUES, Technique
from transports.rooms.directory import directory

from .scenarios import SCENARIOS
from .technique_pages import PAGES

DEFAULT_ROOM = "lobby"
WINDOWS = (10, 30, 60)  # seconds that the lanes show
INTERVAL = 1_000  # milliseconds from a poll's response to the next poll
RATE = 1.0  # events a second of the demo's feed by default

EXPLANATIONS = {
    400: (
        _("This request cannot be understood"),
        _("The address or the form is not valid."),
    ),
    403: (
        _("Not allowed"),
        _("The form was sent from another page, or is too old. Reload the page and try again."),
    ),
    404: (_("There is no such page"), _("The address may be mistyped, or the page has moved.")),
    500: (_("Something went wrong on the server"), _("It is not your fault. Please try again.")),
}
EXPLANATIONS[503] = EXPLANATIONS[500]


@require_safe
def demo_page(request: HttpRequest) -> HttpResponse:
    """Show the events of the room `?room=`, received by every technique."""
    room = request.GET.get("room", DEFAULT_ROOM)
    techniques = [technique for technique in TECHNIQUES if technique.on_page]
    context: dict[str, Any] = {"room": room, "techniques": techniques}
    try:
        check_room(room, request.user)
    except Problem as problem:
        return render(request, "page.html", {**context, "problem": problem}, status=problem.status)
    listing = directory.listings().get(room)
    context["room_title"] = (listing.title if listing else "") or room
    context["configuration"] = {
        **script_configuration(request, room, techniques),
        "scenarios": [scenario.for_browser() for scenario in SCENARIOS],
    }
    if settings.CLASS_ADDRESS:
        context["class_address"] = settings.CLASS_ADDRESS
        context["class_code"] = svg_code(settings.CLASS_ADDRESS)
    context["windows"] = WINDOWS
    context["may_announce"] = is_staff(request.user) or (
        settings.DEMO and is_on_this_machine(scope_of(request))
    )
    context["server"] = server_name()
    context["limits"] = {"text": settings.TEXT_LENGTH, "sender": settings.SENDER_LENGTH}
    return render(request, "page.html", context)


@require_safe
def technique_page(request: HttpRequest, app: str) -> HttpResponse:
    """Show the page of the techniques of `app`."""
    pages = list(PAGES.values())
    index = list(PAGES).index(app)
    techniques = pages[index].techniques
    context = {
        "page": pages[index],
        "previous": pages[index - 1] if index else None,
        "next": pages[index + 1] if index + 1 < len(pages) else None,
        "techniques": techniques,
        "windows": WINDOWS,
        "configuration": script_configuration(request, DEFAULT_ROOM, techniques),
        "server": server_name(),
    }
    return render(request, f"techniques/{app}.html", context)


@require_safe
def replay_page(request: HttpRequest) -> HttpResponse:
    """Show a recording. The browser reads it; the server does not receive it."""
    techniques = [technique for technique in TECHNIQUES if technique.on_page]
    context = {
        "techniques": techniques,
        "windows": WINDOWS,
        "configuration": {
            "techniques": [_technique_for_browser(each, DEFAULT_ROOM) for each in techniques]
        },
    }
    return render(request, "replay.html", context)


def svg_code(address: str) -> SafeString:
    """Return the QR code of an address, on white in either colour scheme."""
    return mark_safe(segno.make_qr(address).svg_inline(scale=8, light="#fff", title=address))


@cache
def server_name() -> str:
    """Return the name and version of the ASGI server of this process; "none" without one."""
    servers = ("uvicorn", "hypercorn", "granian", "daphne")
    name = next((module for module in servers if module in sys.modules), "")
    return f"{name.capitalize()} {version(name)}" if name else "none"


def script_configuration(
    request: HttpRequest, room: str, techniques: Iterable[Technique]
) -> dict[str, Any]:
    """Return the scripts' configuration: addresses, the user, and a lane for each technique."""
    base = get_script_prefix()
    return {
        "room": room,
        "publish": f"{base}publish/{room}/",
        "clock": reverse("clock"),
        "rooms": f"{base}rooms/",
        "tasks": f"{base}tasks/",
        "theory": f"{base}theory/",
        "heartbeat": settings.HEARTBEAT * 1000,
        "interval": INTERVAL,
        "rate": RATE,
        "language": get_language(),
        # A logged-in user is present under this name, regardless of the form.
        "name": name_of(request.user),
        "changes": {
            "name": name_of(request.user) if has_own_name(request.user) else "",
            "isStaff": is_staff(request.user),
        },
        "techniques": [_technique_for_browser(technique, room) for technique in techniques],
        "demo": configuration_for_page(request),
    }


def _technique_for_browser(technique: Technique, room: str) -> dict[str, Any]:
    module, _, export = technique.source.partition(":")
    dark, light = technique.colour
    return {
        "name": technique.name,
        "label": gettext(technique.label),
        "url": get_script_prefix() + technique.url_path(room).removeprefix("/"),
        "responseEnds": technique.response_ends,
        "isStream": technique.is_stream,
        "module": static(module),
        "export": export,
        "colour": {"dark": dark, "light": light},
    }


@require_safe
@conditional_page
def script_texts(request: HttpRequest, language: str) -> HttpResponseBase:
    """Serve the texts of the scripts in `language`: Django's JavaScript catalog."""
    with translation.override(language):
        response = JavaScriptCatalog.as_view()(request)
    response.headers["Content-Language"] = language
    return response


@require_safe
@never_cache
def clock(request: HttpRequest) -> JsonResponse:
    """Serve `{"now"}`: the server's clock in Unix seconds, the clock of `published_at`."""
    return JsonResponse({"now": time.time()})


# --- Error pages -------------------------------------------------------------------------------
# The APIs answer with `application/problem+json` instead: transports/http/problems.py.


def error_page(request: HttpRequest | None, status: int) -> HttpResponse:
    """Render the page for `status`; without a request it needs neither session nor database."""
    heading, explanation = EXPLANATIONS[status]
    context = {"heading": heading, "explanation": explanation}
    return HttpResponse(render_to_string("error.html", context, request), status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


def forbidden(
    request: HttpRequest, exception: Exception | None = None, reason: str = ""
) -> HttpResponse:
    """Answer 403; also Django's `CSRF_FAILURE_VIEW`, which passes a reason."""
    return csrf_failure(request, reason) or error_page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return error_page(None, 500)
