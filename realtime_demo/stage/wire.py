"""`GET /stage/wire/?technique=&id=`: the bytes that carried an event, part by part."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from transports.access import Receive, Send, check_room
from transports.access.scope import client_address
from transports.cursors import Cursor, InvalidCursor
from transports.endpoint import Endpoint, answer
from transports.events import encode
from transports.refusals import Refusal
from transports.requests import Request
from transports.techniques import BY_NAME

from . import anatomy
from .link import Document, parent


class Wire(Endpoint):
    """What carried the event to the client's own address: nobody reads another's connection.

    404 where it has rolled out. Cookies and tokens in the heads are left out.
    """

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        technique = request.query.get("technique", "")
        if technique not in BY_NAME:
            raise Refusal(400, "technique", f"'technique' is one of {', '.join(BY_NAME)}.")
        try:
            identity = str(Cursor.parse(request.query.get("id", "")))
        except InvalidCursor as error:
            raise Refusal(400, "id", str(error)) from error
        address = client_address(request.scope)
        found = await parent.ask("wire", technique=technique, event=identity, address=address)
        check_room(room_of(technique, found["target"]), request.user)
        document = {"technique": technique, "id": identity, **described(found, identity)}
        await answer(send, 200, b"application/json", encode(document))


def room_of(technique: str, target: str) -> str:
    """The room in a request target of the technique."""
    before = BY_NAME[technique].path.partition("{room}")[0]
    return target.removeprefix(before).partition("/")[0]


def described(found: Document, identity: str) -> dict[str, Any]:
    request_head = found["request_head"].encode("latin-1")
    response_head = found["response_head"].encode("latin-1")
    parts = anatomy.carrier(response_head, b64decode(found["carrier"]), identity)
    document: dict[str, Any] = {
        "request_head": anatomy.shown_head(request_head),
        "response_head": anatomy.shown_head(response_head),
        "carrier": [part.document for part in parts],
    }
    if found["sent"]:
        document["sent"] = [part.document for part in anatomy.sent(b64decode(found["sent"]))]
    if key := anatomy.note(parts):
        document["note"] = key
    return document
