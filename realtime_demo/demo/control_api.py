"""The demo's controls: its state for everyone, changes to it for this machine alone.

A control changes what a whole class looks at. So it is accepted only from a client on this machine,
with Django's CSRF token and an Origin of ours: neither a page of another origin that the teacher
has open nor anybody else in the class can use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token

from transports.auth.permissions import check_room
from transports.events import encode
from transports.http.problems import Problem
from transports.http.publish import check_content_type, parse_json
from transports.http.request import Request
from transports.http.scope import Scope, is_on_this_machine
from transports.http.views import View, api_view, json_response

from .generator import generator
from .ipc import Document, parent
from .state import BURST, Faults, Feed, Path, flag, only, technique, whole_number
from .wire.explanations import EXPLANATIONS

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
    return {
        "url": "/stage/",
        "live": "/stage/live/",
        "csrf": get_token(request),
        "says": {key: str(text) for key, text in EXPLANATIONS.items()},
        "mayControl": is_on_this_machine(scope_of(request)),
    }


@api_view("GET", "HEAD")
async def state(request: HttpRequest) -> HttpResponse:
    """`GET /stage/`: the state document."""
    user_of(request)
    return json_response(await parent.ask("state"))


def control(view: Control) -> View:
    """Decorate a view that takes a POST of a JSON object, from this machine alone."""

    async def controlled(request: HttpRequest) -> HttpResponse:
        user_of(request)
        if not is_on_this_machine(scope_of(request)):
            raise Problem(403, "elsewhere", "The demo is controlled from the machine it runs on.")
        if "Origin" not in request.headers:
            raise Problem(403, "origin", "A control is for a page of ours: Origin is missing.")
        check_content_type(scope_of(request))
        return await view(request, parse_json(request.body))

    controlled.__doc__ = view.__doc__
    return api_view("POST")(controlled)


@control
async def set_network(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/network/` with `{"rtt", "jitter", "bandwidth"}`: the network from now on."""
    async with one_at_a_time:
        current = await parent.ask("state")
        path = Path(**current["network"]).changed(document)
        return json_response(await parent.ask("network", network=path.document))


@control
async def set_feed(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/feed/` with `{"running", "rate", "room", "arrivals"}`: the feed from now on."""
    async with one_at_a_time:
        current = await parent.ask("state")
        feed = Feed(**current["feed"]).changed(document)
        check_room_of(request, feed.room)
        return json_response(await parent.ask("feed", feed=feed.document))


@control
async def burst(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/burst/` with `{"count", "room"}`: publish that many events at once."""
    only(document, "count", "room")
    count = whole_number(document, "count", BURST)
    current = await parent.ask("state")
    room = document.get("room", current["feed"]["room"])
    check_room_of(request, room)
    await generator.burst(room, count)
    return json_response({"count": count, "room": room})


@control
async def cut(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/cut/` with `{"technique"}`: how many connections were reset."""
    only(document, "technique")
    return json_response(await parent.ask("cut", technique=technique(document)))


@control
async def stall(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/stall/` with `{"on", "technique"}`: the techniques stalled from now on."""
    only(document, "on", "technique")
    on = flag(document, "on")
    return json_response(await parent.ask("stall", on=on, technique=technique(document)))


@control
async def set_faults(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/fault/` with `{"buffering", "gzip"}`: the faults from now on."""
    async with one_at_a_time:
        current = (await parent.ask("state"))["faults"]
        faults = Faults(current["buffering"], current["gzip"]).changed(document)
        return json_response(await parent.ask("faults", faults=faults.document))


@control
async def restart(request: HttpRequest, document: Document) -> HttpResponse:
    """`POST /stage/restart/` with `{"kill"}`: 202, and then the server is restarted.

    By SIGTERM, or with `"kill": true` by SIGKILL, as a crash would.
    """
    only(document, "kill")
    kill = flag(document, "kill", False)
    await parent.ask("state")  # raises `Problem` if the parent cannot restart anything
    return RestartingResponse({"kill": kill}, kill=kill)


class RestartingResponse(HttpResponse):
    """A response that has the server restarted once it has been sent."""

    def __init__(self, document: Document, *, kill: bool) -> None:
        super().__init__(
            encode(document),
            status=202,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )
        self._kill = kill
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Called by Django behind the last byte, in a thread of its own."""
        super().close()
        self._loop.call_soon_threadsafe(self._loop.call_later, FLUSH, self._restart)

    def _restart(self) -> None:
        parent.tell("restart", kill=self._kill)


def check_room_of(request: HttpRequest, room: Any) -> None:
    if not isinstance(room, str):
        raise Problem(400, "room", "'room' must be a string, the name of a room.")
    check_room(room, user_of(request))


def user_of(request: HttpRequest) -> Any:
    """Return the user of a session or token. Raises `Problem` if authentication failed."""
    return Request(scope_of(request)).user


def scope_of(request: HttpRequest) -> Scope:
    scope: Scope = request.scope  # type: ignore[attr-defined]
    return scope
