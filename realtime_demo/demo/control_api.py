"""The demo's controls: its state for every client, changes for clients on this machine.

A control changes the demo for every viewer. So it is accepted only from a client on this machine,
with Django's CSRF token and an allowed Origin: neither students nor pages of other origins in the
teacher's browser can use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import get_script_prefix

from transports.auth.permissions import check_room
from transports.http.names import shown
from transports.http.origin import is_on_this_machine
from transports.http.problems import Problem
from transports.http.publish import check_content_type, parse_json
from transports.http.request import Request
from transports.http.scope import Scope
from transports.http.views import View, api_view, json_response

from .generator import generator
from .ipc import Document, parent
from .state import BURST, boolean, check_members, integer
from .wire.dissect import EXPLANATIONS

Control = Callable[[HttpRequest, Document], Awaitable[HttpResponse]]

# Seconds from the end of a response to the restart: the server writes the response in the next
# turn of its event loop.
FLUSH = 0.02


def configuration_for_page(request: HttpRequest) -> dict[str, Any] | None:
    """Return the addresses of the controls, and whether this page may use them.

    None outside the demo.
    """
    if not settings.STAGE_SOCKET:
        return None
    url = f"{get_script_prefix()}stage/"
    return {
        "url": url,
        "live": f"{url}live/",
        "csrf": get_token(request),
        "says": {key: str(text) for key, text in EXPLANATIONS.items()},
        "mayControl": is_on_this_machine(scope_of(request)),
    }


@api_view("GET", "HEAD")
async def state(request: HttpRequest) -> HttpResponse:
    """`GET /stage/`: answer with the state document."""
    user_of(request)
    return json_response(await parent.ask("state"))


def control(view: Control) -> View:
    """Decorate a view that accepts a JSON object by POST, from clients on this machine only."""

    async def controlled(request: HttpRequest) -> HttpResponse:
        user_of(request)
        if not is_on_this_machine(scope_of(request)):
            raise Problem(403, "elsewhere", "The controls are for clients on the demo's machine.")
        if "Origin" not in request.headers:
            raise Problem(403, "origin", "A control requires an Origin header.")
        check_content_type(scope_of(request))
        return await view(request, parse_json(request.body))

    return api_view("POST")(controlled)


def command(name: str) -> View:
    """Return the view of a control whose JSON object `DemoRunner` checks and executes."""

    @control
    async def view(request: HttpRequest, document: Document) -> HttpResponse:
        return json_response(await parent.ask(name, document=document))

    return view


@control
async def set_feed(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/feed/` with `{"running", "rate", "room", "arrivals"}`: change the generator."""
    await room_of(request, document)
    return json_response(await parent.ask("feed", document=document))


@control
async def burst(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/burst/` with `{"count", "room"}`: publish that many events at once."""
    check_members(document, "count", "room")
    count = integer(document, "count", BURST)
    room = await room_of(request, document)
    await generator.burst(room, count)
    return json_response({"count": count, "room": room})


@control
async def restart(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/restart/` with `{"kill"}`: answer 202, then restart the server.

    The server is ended by SIGTERM or, with `"kill": true`, by SIGKILL as in a crash.
    """
    check_members(document, "kill")
    kill = boolean(document, "kill", False)
    await parent.ask("state")  # raises `Problem` if the parent does not respond
    response = json_response({"kill": kill}, 202)
    close, loop = response.close, asyncio.get_running_loop()

    def close_and_restart() -> None:
        """Schedule the restart. Django calls this after the last byte, in another thread."""
        close()
        restart = partial(parent.send, "restart", kill=kill)
        loop.call_soon_threadsafe(loop.call_later, FLUSH, restart)

    response.close = close_and_restart  # type: ignore[method-assign]
    return response


async def room_of(request: HttpRequest, document: Document) -> str:
    """Return the member `room`, or the generator's room, if the user may use it.

    Raise `Problem` otherwise.
    """
    room = document.get("room", (await parent.ask("state"))["feed"]["room"])
    if not isinstance(room, str):
        raise Problem(400, "room", f"'room' must be the name of a room; got {shown(room)}.")
    check_room(room, user_of(request))
    return room


def user_of(request: HttpRequest) -> Any:
    """Return the user of a session or token. Raises `Problem` if authentication failed."""
    return Request(scope_of(request)).user


def scope_of(request: HttpRequest) -> Scope:
    scope: Scope = request.scope  # type: ignore[attr-defined]
    return scope
