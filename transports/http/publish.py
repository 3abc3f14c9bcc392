"""Publishing: what a client may send, checked in one place for HTTP and WebSocket."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from transports import feed
from transports.conf import conf
from transports.events import Draft, Event, EventType
from transports.http.base import Endpoint, answer
from transports.http.names import has_own_name, name_in, name_of, text_of
from transports.http.problems import Problem
from transports.http.request import Request, parse_since
from transports.http.scope import Receive, Scope, Send, check_origin, header
from transports.http.throttling import take_turn

_KEY = re.compile(r'("?)([!#-~]{1,64})\1')


def parse_json(data: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `data`; raises `Problem`."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        # Not the parser's own words for a document nested too deep or a number too long.
        said = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise Problem(400, "json", f"This is not JSON: {said}.") from error
    if not isinstance(document, dict):
        raise Problem(400, "json", "A JSON object is needed, in braces.")
    return document


def check_content_type(scope: Scope) -> None:
    """Raise `Problem` unless the body is said to be JSON in UTF-8, which no form can say."""
    content_type = header(scope, b"content-type").decode("latin-1")
    essence, _, parameters = content_type.partition(";")
    charset = parameters.replace('"', "").replace(" ", "").lower()
    if essence.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise Problem(
            415,
            "content-type",
            "Send JSON in UTF-8, with 'Content-Type: application/json'.",
            {"Accept-Post": "application/json"},
        )


def idempotency_key(scope: Scope) -> str | None:
    """The `Idempotency-Key` under which the client may try again; None where it sends none.

    draft-ietf-httpapi-idempotency-key-header §2.1 has it in quotes; without them it is taken too.
    Raises `Problem`.
    """
    value = header(scope, b"idempotency-key").decode("latin-1").strip()
    if not value:
        return None
    match = _KEY.fullmatch(value)
    if match is None:
        raise Problem(
            400, "key", "An Idempotency-Key has 1 to 64 visible ASCII characters, such as a UUID."
        )
    return match[2]


async def publish(
    request: Request,
    room: str,
    document: dict[str, Any],
    kind: str = "message",
    key: str | None = None,
) -> Event:
    """Publish what the client sent, under the user's name where there is a user.

    `kind` is "message", or "edit" or "delete" of the event that the document has in `of`. With a
    `key` that was used before, and the same document, return the event of the first time. Raises
    `Problem`, and what `feed.publish` raises.
    """
    if kind not in ("message", "edit", "delete"):
        raise Problem(400, "type", "'type' is message (or left out), edit or delete.")
    text = "" if kind == "delete" else text_of(document, "text", conf.TEXT_LENGTH)
    if request.user.is_authenticated:
        sender = name_of(request.user)
    elif kind == "message":
        sender = name_in(document, "sender")
    else:
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Problem(401, "user", f"To {kind} an event, log in or send a token.", challenge)
    take_turn(request)
    if key is not None:  # each user's own, for each room; anonymous users share theirs
        key = f"publish:{room}:{request.user.pk or ''}:{key}"
    draft = Draft(room, sender, text, cast(EventType, kind), None, has_own_name(request.user))
    event = None
    if kind != "message":
        try:
            draft = draft._replace(of=await changeable(request.user, room, document))
        except Problem as problem:
            # The event it changes may have been trimmed since the first attempt, which is still
            # answered.
            if problem.status == 404 and key is not None:
                event, draft = await feed.published(key, room), draft._replace(of=document["of"])
            if event is None:
                raise
    if event is None:
        event = await feed.publish(draft, key)
    if (event.type, event.sender, event.text, event.of) != (kind, sender, text, draft.of):
        raise Problem(422, "key", "This Idempotency-Key was used for something else.")
    return event


async def changeable(user: Any, room: str, document: dict[str, Any]) -> str:
    """The id of the event that the document would change, if `user` may; raises `Problem`.

    A user's own messages, that is, and any message or announcement for staff.
    """
    text = document.get("of")
    if not isinstance(text, str) or not text:
        raise Problem(400, "of", "'of' is the id of the event to change, a text.")
    cursor = parse_since(text)
    event = await feed.find(room, cursor) if cursor is not None else None
    if event is None or event.type not in ("message", "announcement"):
        raise Problem(404, "of", f"The room keeps no message {text[:40]}.")
    is_own = event.verified and has_own_name(user) and event.sender == name_of(user)
    if not (is_own and event.type == "message") and not user.is_staff:
        raise Problem(403, "of", "Only its author, or staff, may change a message.")
    return event.id


class PublishEndpoint(Endpoint):
    """`POST /publish/<room>/` with `{"sender", "text"}`: 201 and the event.

    With `"type": "edit"` and `of`, or `"delete"` and `of`: a change to an earlier one.

    The content type, which a form cannot send, and the Origin are its defence against cross-site
    requests: a program needs no CSRF token.
    """

    methods = ("POST",)

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        check_origin(request.scope)
        check_content_type(request.scope)
        document = parse_json(await read_body(receive, conf.BODY_SIZE))
        kind = str(document.get("type", "message"))
        key = idempotency_key(request.scope)
        event = await publish(request, request.room, document, kind, key)
        await answer(send, 201, b"application/json", event.encoded)


async def read_body(receive: Receive, most: int) -> bytes:
    """Return the request's body; raises `Problem` past `most` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "body", "The body broke off.")
        body += message.get("body", b"")
        if len(body) > most:
            raise Problem(413, "size", f"A body may have at most {most} bytes.")
        if not message.get("more_body", False):
            return bytes(body)
