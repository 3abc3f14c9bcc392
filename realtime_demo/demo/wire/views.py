"""`GET /stage/wire/?technique=&id=`: the bytes that carried an event, dissected."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from django.http import HttpRequest, HttpResponse

from realtime_demo.demo.ipc import Document, parent
from realtime_demo.demo.state import technique
from transports.auth.permissions import check_room
from transports.events import Cursor, InvalidCursor
from transports.http.origin import client_address
from transports.http.problems import Problem
from transports.http.request import Request, permitted
from transports.http.scope import Scope
from transports.http.views import api_view, json_response

from . import dissect
from .parsing import inflated, unmasked

_ROOM = re.compile(rb'"room"\s*:\s*"([^"]*)"')


@api_view("GET", "HEAD")
async def wire(request: HttpRequest) -> HttpResponse:
    """Return the bytes that carried the event to the client's own address; 404 if not recorded.

    Cookies and tokens in the heads are left out.
    """
    scope: Scope = request.scope  # type: ignore[attr-defined]
    user = Request(scope).user
    name = technique({"technique": request.GET.get("technique", "")})
    try:
        identity = str(Cursor.parse(request.GET.get("id", "")))
    except InvalidCursor as error:
        raise Problem(400, "id", str(error)) from error
    address = client_address(scope)
    captured = await parent.ask("wire", technique=name, event=identity, address=address)
    for room in rooms_of(captured):
        await permitted(check_room, room, user)
    try:
        document = {"technique": name, "id": identity, **described(captured, identity)}
    except ValueError as error:
        raise Problem(404, "wire", f"These bytes cannot be dissected: {error}") from error
    return json_response(document)


def rooms_of(captured: Document) -> set[str]:
    """Return the rooms in the captured bytes: a socket may carry several.

    The pattern cannot match in an event's text, whose quotes are escaped.
    """
    carrier = b64decode(captured["carrier"])
    data = carrier + inflated(carrier)
    if captured["sent"]:
        data += unmasked(b64decode(captured["sent"]))
    return {room.decode("utf-8", "replace") for room in _ROOM.findall(data)}


def described(captured: Document, identity: str) -> dict[str, Any]:
    request_head = captured["request_head"].encode("latin-1")
    response_head = captured["response_head"].encode("latin-1")
    parts = dissect.carrier(response_head, b64decode(captured["carrier"]), identity)
    document: dict[str, Any] = {
        "request_head": dissect.shown_head(request_head),
        "response_head": dissect.shown_head(response_head),
        "carrier": [part.document for part in parts],
    }
    if captured["sent"]:
        document["sent"] = [
            part.document for part in dissect.client_frame(b64decode(captured["sent"]))
        ]
    if key := dissect.note(parts):
        document["note"] = key
    return document
