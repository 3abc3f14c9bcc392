"""Publishing over HTTP and WebSocket, with the validation of what clients send."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any, cast

from django.utils.http import parse_header_parameters

from transports import feed
from transports.conf import conf
from transports.events import EVENT_NAME, Draft, Event, EventType, encode
from transports.http.base import Endpoint, answer
from transports.http.names import has_own_name, name_in, name_of, shown, text_of
from transports.http.origin import check_origin
from transports.http.problems import Problem
from transports.http.request import Request, parse_since, permitted
from transports.http.scope import Receive, Scope, Send, header
from transports.http.throttling import take_turn

# RFC 8259 §11 defines no charset. "utf8" is a label of UTF-8 (Encoding §4.2).
CHARSETS = ("utf-8", "utf8")


class _InvalidMember(ValueError):
    """JSON that Python's parser accepts, but RFC 8259 does not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise _InvalidMember(f"the member {shown(duplicate)} occurs twice")
    return members


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _InvalidMember(f"{shown(text)} is not a number that can be represented")
    return value


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite
).decode
_KEY = re.compile(r'("?)([!#-~]{1,64})\1')


def parse_json(data: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `data`; raises `Problem`.

    Accepts exactly RFC 8259: UTF-8 without a byte order mark (§8.1), no infinity or NaN (§6), and
    no duplicate member, which parsers read differently (§4).
    """
    try:
        document = _decode(data.decode() if isinstance(data, bytes) else data)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnicodeDecodeError):
            reason = "not UTF-8"
        elif isinstance(error, json.JSONDecodeError | _InvalidMember):
            reason = str(error)
        else:  # the parser's own message does not help
            reason = "nested too deep, or a number too long"
        raise Problem(400, "json", f"Invalid JSON: {reason}.") from error
    if not isinstance(document, dict):
        raise Problem(400, "json", f"Expected a JSON object; got {shown(document)}.")
    return document


def check_content_type(scope: Scope) -> None:
    """Raise `Problem` unless the Content-Type is JSON in UTF-8, which no HTML form can send.

    `application/*+json` is another format, whatever its syntax (RFC 6839 §3.1).
    """
    content_type = header(scope, b"content-type").decode("latin-1")
    if not _is_json(content_type):
        raise Problem(
            415,
            "content-type",
            "The Content-Type must be application/json in UTF-8; "
            f"got {shown(content_type) if content_type else 'none'}.",
            {"Accept-Post": "application/json"},
        )


@lru_cache(maxsize=64)
def _is_json(content_type: str) -> bool:
    try:
        essence, parameters = parse_header_parameters(content_type)
    except (ValueError, LookupError):  # an unknown encoding of a parameter (RFC 8187)
        return False
    return essence == "application/json" and (
        parameters.get("charset", "utf-8").lower() in CHARSETS
    )


def idempotency_key(scope: Scope) -> str | None:
    """Return the value of the `Idempotency-Key` header; None if it was not sent.

    draft-ietf-httpapi-idempotency-key-header §2.1 requires quotes; a key without them is accepted
    too. Raises `Problem`.
    """
    value = header(scope, b"idempotency-key").decode("latin-1").strip()
    if not value:
        return None
    match = _KEY.fullmatch(value)
    if match is None:
        raise Problem(
            400,
            "key",
            "The Idempotency-Key must have 1 to 64 visible ASCII characters, such as a UUID; "
            f"got {shown(value)}.",
        )
    return match[2]


def check_payload(document: dict[str, Any]) -> tuple[str | None, Any]:
    """Return the document's `name` and `data`, a program's own. Raises `Problem`."""
    name, data = document.get("name"), document.get("data")
    if name is not None and not (isinstance(name, str) and EVENT_NAME.fullmatch(name)):
        raise Problem(
            400,
            "name",
            "'name' must have 1 to 64 of A-Z, a-z, 0-9, '_', '.', ':' and '-', and be neither "
            f"'open' nor 'error'; got {shown(name)}.",
        )
    try:
        if data is not None:
            encode(data)
    except (ValueError, RecursionError) as error:
        raise Problem(
            400, "data", "'data' must be JSON of valid Unicode, without NaN and infinity."
        ) from error
    return name, data


async def publish(
    request: Request,
    room: str,
    document: dict[str, Any],
    kind: str = "message",
    key: str | None = None,
) -> Event:
    """Publish the client's document, under the user's name if the user is authenticated.

    `kind` is "message", or "edit" or "delete" of the event in the document's `of`. If `key` was
    used before with the same document, return the event published then. Raises `Problem`, and
    what `feed.publish` raises.
    """
    if kind not in ("message", "edit", "delete"):
        raise Problem(
            400,
            "type",
            f"'type' must be 'message', 'edit', 'delete' or omitted; got {shown(kind)}.",
        )
    await permitted(request.guard.check, room, "publish")
    name, data = check_payload(document) if kind == "message" else (None, None)
    has_text = kind == "edit" or "text" in document or (name is None and data is None)
    is_deletion = kind == "delete"
    text = text_of(document, "text", conf.TEXT_LENGTH) if has_text and not is_deletion else ""
    if request.user.is_authenticated:
        sender = name_of(request.user)
    elif kind == "message":
        sender = name_in(document, "sender")
    else:
        challenge = {"WWW-Authenticate": "Bearer"}
        raise Problem(
            401, "user", f"To {kind} an event requires a user; log in or send a token.", challenge
        )
    take_turn(request)
    if key is not None:  # one namespace for each user and room; anonymous users share theirs
        key = f"publish:{room}:{request.user.pk or ''}:{key}"
    is_own_name = has_own_name(request.user)
    draft = Draft(room, sender, text, cast(EventType, kind), None, is_own_name, name, data)
    event = None
    if kind != "message":
        try:
            draft = draft._replace(of=await changeable(request.user, room, document))
        except Problem as problem:
            # A first attempt may have succeeded before the event to change was trimmed.
            if problem.status == 404 and key is not None:
                event, draft = await feed.published(key, room), draft._replace(of=document["of"])
            if event is None:
                raise
    if event is None:
        event = await feed.publish(draft, key)
    if key is not None and draft.event(event.id, event.published_at) != event:
        raise Problem(
            422, "key", "This Idempotency-Key was used with another document; use a new key."
        )
    return event


async def changeable(user: Any, room: str, document: dict[str, Any]) -> str:
    """Return the id of the event in `of`. Raises `Problem` unless `user` may change the event.

    Users may change their own messages, staff any message or announcement.
    """
    identity = document.get("of")
    if not isinstance(identity, str) or not identity:
        raise Problem(
            400, "of", f"'of' must be the id of the event to change; got {shown(identity)}."
        )
    cursor = parse_since(identity)
    event = await feed.find(room, cursor) if cursor is not None else None
    if event is None or event.type not in ("message", "announcement"):
        raise Problem(
            404, "of", f"'of' must be the id of a message in the room; got {shown(identity)}."
        )
    is_own = event.verified and has_own_name(user) and event.sender == name_of(user)
    if not (is_own and event.type == "message") and not getattr(user, "is_staff", False):
        raise Problem(403, "of", "Only the author of a message, or staff, may change it.")
    return event.id


class PublishEndpoint(Endpoint):
    """`POST /publish/<room>/` with `{"sender", "text"}`: 201 and the event.

    With `name` and `data`, a program's own event, which needs no text. With `"type": "edit"` or
    `"delete"`, and `of`: a change to an earlier event.

    The content type, which a form cannot send, and the Origin protect against cross-site
    requests: programs need no CSRF token.
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


def too_large(most: int) -> Problem:
    return Problem(413, "size", f"A body may have at most {most} bytes.")


async def read_body(receive: Receive, most: int) -> bytes:
    """Return the request's body; raises `Problem` if it has more than `most` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "body", "The body must be complete; the connection was cut.")
        body += message.get("body", b"")
        if len(body) > most:
            raise too_large(most)
        if not message.get("more_body", False):
            return bytes(body)
