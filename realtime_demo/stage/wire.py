"""`GET /stage/wire/?technique=&id=`: the bytes that carried an event, part by part."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from transports.auth.permissions import check_room
from transports.events import Cursor, InvalidCursor, encode
from transports.http.base import Endpoint, answer
from transports.http.problems import Refusal
from transports.http.request import Request
from transports.http.scope import Receive, Send, client_address
from transports.registry import BY_NAME

from . import anatomy
from .framing import inflated, unmasked
from .link import Document, parent

_ROOM = re.compile(rb'"room"\s*:\s*"([^"]*)"')


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
        for room in rooms_of(found):
            check_room(room, request.user)
        try:
            document = {"technique": technique, "id": identity, **described(found, identity)}
        except ValueError as error:
            raise Refusal(404, "wire", f"These bytes cannot be taken apart: {error}") from error
        await answer(send, 200, b"application/json", encode(document))


def rooms_of(found: Document) -> set[str]:
    """The rooms that the bytes speak of: a socket carries more than the one in its path.

    Only a member can look like one: in a text its quotes would be escaped.
    """
    carrier = b64decode(found["carrier"])
    said = carrier + inflated(carrier)
    if found["sent"]:
        said += unmasked(b64decode(found["sent"]))
    return {room.decode("utf-8", "replace") for room in _ROOM.findall(said)}


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
