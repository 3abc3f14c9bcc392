"""The stage's endpoints: what it is set to, for everyone; the controls, for this machine alone.

A control moves what a whole class looks at. So it is taken only from a client on this machine,
with Django's CSRF token and an Origin of ours: no page of another origin that the teacher has
open can work it, nor anybody else in the class.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any, ClassVar

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.middleware.csrf import CsrfViewMiddleware

from transports.auth.permissions import check_room
from transports.events import encode
from transports.http.base import Endpoint, answer
from transports.http.problems import Refusal
from transports.http.publish import check_content_type, parse_json, read_body
from transports.http.request import Request
from transports.http.scope import Receive, Scope, Send, check_origin, header, is_on_this_machine

from .beat import beat
from .link import Document, parent
from .settings import BURST, Faults, Feed, Path, flag, only, technique, whole_number

# Seconds: the server writes an answer in the next turn of the loop, so before any timer ends.
FLUSH = 0.02
# What an object does not name is kept: as it is by then, whoever else has set it meanwhile.
one_at_a_time = asyncio.Lock()


class State(Endpoint):
    """`GET /stage/`: the state document."""

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"application/json", encode(await parent.ask("state")))


class Control(Endpoint):
    """A POST of a JSON object. Subclasses answer `control` with one."""

    methods = ("POST",)
    status: ClassVar[int] = 200

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        check_control(request.scope)
        check_content_type(request.scope)
        document = parse_json(await read_body(receive, settings.BODY_SIZE))
        result = await self.control(request, document)
        await answer(send, self.status, b"application/json", encode(result))
        await self.after(document)

    async def control(self, request: Request, document: Document) -> Document:
        raise NotImplementedError

    async def after(self, document: Document) -> None:
        """What is done once the answer has been sent."""


class SetNetwork(Control):
    """`POST /stage/network/` with `{"rtt", "jitter", "bandwidth"}`: what it is then."""

    async def control(self, request: Request, document: Document) -> Document:
        async with one_at_a_time:
            state = await parent.ask("state")
            path = Path(**state["network"]).changed(document)
            return await parent.ask("network", network=path.document)


class SetFeed(Control):
    """`POST /stage/feed/` with `{"running", "rate", "room", "arrivals"}`: what it is then."""

    async def control(self, request: Request, document: Document) -> Document:
        async with one_at_a_time:
            state = await parent.ask("state")
            feed = Feed(**state["feed"]).changed(document)
            check_room_of(request, feed.room)
            return await parent.ask("feed", feed=feed.document)


class Burst(Control):
    """`POST /stage/burst/` with `{"count", "room"}`: so many events, at once."""

    async def control(self, request: Request, document: Document) -> Document:
        only(document, "count", "room")
        count = whole_number(document, "count", BURST)
        state = await parent.ask("state")
        room = document.get("room", state["feed"]["room"])
        check_room_of(request, room)
        await beat.burst(room, count)
        return {"count": count, "room": room}


class Cut(Control):
    """`POST /stage/cut/` with `{"technique"}`: how many connections were reset."""

    async def control(self, request: Request, document: Document) -> Document:
        only(document, "technique")
        return await parent.ask("cut", technique=technique(document))


class Stall(Control):
    """`POST /stage/stall/` with `{"on", "technique"}`: which techniques are stalled then."""

    async def control(self, request: Request, document: Document) -> Document:
        only(document, "on", "technique")
        on = flag(document, "on")
        return await parent.ask("stall", on=on, technique=technique(document))


class SetFaults(Control):
    """`POST /stage/fault/` with `{"buffering", "gzip"}`: what they are then."""

    async def control(self, request: Request, document: Document) -> Document:
        async with one_at_a_time:
            state = await parent.ask("state")
            was = Faults(state["faults"]["buffering"], state["faults"]["gzip"])
            return await parent.ask("faults", faults=was.changed(document).document)


class Restart(Control):
    """`POST /stage/restart/` with `{"kill"}`: 202, and then the server is restarted.

    By SIGTERM, or with `"kill": true` by SIGKILL, as a crash would.
    """

    status = 202

    async def control(self, request: Request, document: Document) -> Document:
        only(document, "kill")
        await parent.ask("state")  # it is there to do it
        return {"kill": flag(document, "kill", False)}

    async def after(self, document: Document) -> None:
        await asyncio.sleep(FLUSH)
        parent.tell("restart", kill=document.get("kill", False))


def check_room_of(request: Request, room: Any) -> None:
    if not isinstance(room, str):
        raise Refusal(400, "room", "'room' is the name of a room, a text.")
    check_room(room, request.user)


def check_control(scope: Scope) -> None:
    """Raise `Refusal` (403) unless the request may work a control."""
    if not is_on_this_machine(scope):
        raise Refusal(403, "elsewhere", "The stage is controlled from the machine it runs on.")
    if not header(scope, b"origin"):
        raise Refusal(403, "origin", "A control is worked from a page of ours: Origin is missing.")
    check_origin(scope)
    request = ASGIRequest(scope, BytesIO())
    check: Any = CsrfCheck(lambda request: None)  # type: ignore[arg-type]
    check.process_request(request)
    if reason := check.process_view(request, None, (), {}):
        raise Refusal(403, "csrf", str(reason))


class CsrfCheck(CsrfViewMiddleware):
    """Django's own check, which gives its reason instead of a page."""

    def _reject(self, request: Any, reason: str) -> Any:
        return f"{reason.rstrip('.')} (header X-CSRFToken)."
