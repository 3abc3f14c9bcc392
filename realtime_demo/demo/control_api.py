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
from .state import (
    BURST,
    FaultSettings,
    FeedSettings,
    NetworkSettings,
    Setting,
    boolean,
    check_members,
    integer,
    technique,
)
from .wire.dissect import EXPLANATIONS

Control = Callable[[HttpRequest, Document], Awaitable[HttpResponse]]

# Seconds from the end of a response to the restart: the server writes the response in the next
# turn of its event loop.
FLUSH = 0.02
# Serialise the read-modify-write, so that partial updates do not overwrite each other.
one_at_a_time = asyncio.Lock()


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

    controlled.__doc__ = view.__doc__
    return api_view("POST")(controlled)


@control
async def set_network(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/network/` with `{"rtt", "jitter", "bandwidth"}`: change the network."""
    return await change("network", lambda current: NetworkSettings(**current).changed(document))


@control
async def set_feed(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/feed/` with `{"running", "rate", "room", "arrivals"}`: change the generator."""

    def changed(current: Document) -> FeedSettings:
        feed = FeedSettings(**current).changed(document)
        check_room_of(request, feed.room)
        return feed

    return await change("feed", changed)


@control
async def burst(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/burst/` with `{"count", "room"}`: publish that many events at once."""
    check_members(document, "count", "room")
    count = integer(document, "count", BURST)
    current = await parent.ask("state")
    room = document.get("room", current["feed"]["room"])
    check_room_of(request, room)
    await generator.burst(room, count)
    return json_response({"count": count, "room": room})


@control
async def cut(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/cut/` with `{"technique"}`: reset connections; answer with their number."""
    check_members(document, "technique")
    return json_response(await parent.ask("cut", technique=technique(document)))


@control
async def stall(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/stall/` with `{"on", "technique"}`: stall or resume connections."""
    check_members(document, "on", "technique")
    on = boolean(document, "on")
    return json_response(await parent.ask("stall", on=on, technique=technique(document)))


@control
async def set_faults(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/fault/` with `{"buffering", "gzip"}`: change the faults."""

    def changed(current: Document) -> FaultSettings:
        return FaultSettings(current["buffering"], current["gzip"]).changed(document)

    return await change("faults", changed)


async def change(name: str, changed: Callable[[Document], Setting]) -> HttpResponse:
    """Replace the settings `name` of the state document by `changed(current)`."""
    async with one_at_a_time:
        settings = changed((await parent.ask("state"))[name])
        return json_response(await parent.ask(name, **{name: settings.document}))


@control
async def lease(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/lease/` with `{"holder", "held"}`: begin, renew or end a page's lease.

    When it ends, or is not renewed for four seconds, network and feed are restored and faults end.
    """
    check_members(document, "holder", "held")
    holder = document.get("holder")
    if not isinstance(holder, str) or not 1 <= len(holder) <= 64:
        raise Problem(
            400, "holder", f"'holder' must be a string of 1 to 64 characters; got {shown(holder)}."
        )
    return json_response(await parent.ask("lease", holder=holder, held=boolean(document, "held")))


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


def check_room_of(request: HttpRequest, room: Any) -> None:
    if not isinstance(room, str):
        raise Problem(400, "room", f"'room' must be the name of a room; got {shown(room)}.")
    check_room(room, user_of(request))


def user_of(request: HttpRequest) -> Any:
    """Return the user of a session or token. Raises `Problem` if authentication failed."""
    return Request(scope_of(request)).user


def scope_of(request: HttpRequest) -> Scope:
    scope: Scope = request.scope  # type: ignore[attr-defined]
    return scope
