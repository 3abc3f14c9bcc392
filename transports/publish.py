"""Publishing: what a client may say, checked in one place for HTTP and WebSocket."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings

from . import feed
from .access import Receive, Send, check_origin, header
from .access.limits import RateLimit
from .access.scope import client_address
from .endpoint import Endpoint, answer, read_body
from .events import Event
from .refusals import Refusal
from .requests import Request


def parse_json(data: bytes | str) -> dict[str, Any]:
    """A JSON object, or a `Refusal` that says what is wrong with it."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        # Not the parser's own words for a document nested too deep or a number too long.
        said = str(error) if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        raise Refusal(400, "json", f"This is not JSON: {said}.") from error
    if not isinstance(document, dict):
        raise Refusal(400, "json", "A JSON object is needed, in braces.")
    return document


def text_of(document: dict[str, Any], name: str, most: int) -> str:
    """The member `name`: a text of 1 to `most` characters. Raises `Refusal`."""
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise Refusal(400, name, f"'{name}' is a text of 1 to {most} characters.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Refusal(
            400, name, f"'{name}' has half a surrogate pair, which is no text."
        ) from error
    return value


async def publish(request: Request, room: str, document: dict[str, Any]) -> Event:
    """Publish what the client sent, under the user's name where there is a user.

    Raises `Refusal`, and `HistoryUnavailable` as `feed.publish` does.
    """
    text = text_of(document, "text", settings.TEXT_LENGTH)
    if request.user.is_authenticated:
        sender = str(request.user.get_username())[: settings.SENDER_LENGTH]
    else:
        sender = text_of(document, "sender", settings.SENDER_LENGTH)
    if settings.PUBLISH_RATE > 0:
        client = (
            f"user {sender}" if request.user.is_authenticated else client_address(request.scope)
        )
        rate_limit.take(client, settings.PUBLISH_RATE)
    return await feed.publish(room, sender, text)


rate_limit = RateLimit()


class PublishConsumer(Endpoint):
    """`POST /publish/<room>/` with `{"sender", "text"}`: 201 and the event.

    The content type that a form cannot send, and the Origin, are its defence against
    cross-site requests; a program needs no cookie dance.
    """

    methods = ("POST",)

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        check_origin(request.scope)
        self._check_content_type(header(request.scope, b"content-type").decode("latin-1"))
        body = await read_body(receive, settings.BODY_SIZE)
        event = await publish(request, request.room, parse_json(body))
        await answer(send, 201, b"application/json", event.encoded)

    @staticmethod
    def _check_content_type(content_type: str) -> None:
        essence, _, parameters = content_type.partition(";")
        charset = parameters.replace('"', "").replace(" ", "").lower()
        if essence.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
            raise Refusal(
                415,
                "content-type",
                "Send JSON in UTF-8, with 'Content-Type: application/json'.",
                {"Accept-Post": "application/json"},
            )
