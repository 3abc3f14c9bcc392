"""`manage.py publish`: publishing an event to a room from the command line."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from transports import feed
from transports.command_line import TranslatedCommand
from transports.events import Draft, EventType
from transports.store.base import StoreUnavailable
from transports.synchronous import publish_sync


def json_value(text: str) -> Any:
    """Parse `text` as JSON; raises `ArgumentTypeError`."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(
            _("Expected JSON, such as {example}; {error}.").format(
                example="'{\"order\": 7}'", error=error
            )
        ) from error


class Command(TranslatedCommand):
    help = gettext_noop(
        "Publish an event to a room of the servers that use the same REDIS_URL, and print it. "
        "Without Redis, publish over HTTP: docs/publishing.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("room", help=_("1 to 64 of a-z, 0-9 and '-'"))
        parser.add_argument("text", help=_("text of the event; '' with --name or --data"))
        parser.add_argument(
            "--sender", default="server", help=_("name of the sender (default: server)")
        )
        parser.add_argument("--name", help=_("name of the event, which SSE sends as 'event:'"))
        parser.add_argument("--data", type=json_value, help=_("payload of the event, as JSON"))
        parser.add_argument(
            "--announcement", action="store_true", help=_("publish an announcement")
        )
        parser.add_argument("--key", help=_("publish once under this key, even if run again"))

    def handle(self, *args: Any, **options: Any) -> None:
        kind: EventType = "announcement" if options["announcement"] else "message"
        members = {member: options[member] for member in ("room", "sender", "text", "name", "data")}
        try:
            event = publish_sync(Draft(**members, type=kind), options["key"])
        except (ValueError, feed.FeedNotShared, feed.EventTrimmed, StoreUnavailable) as error:
            raise CommandError(str(error) or _("The event under this key was trimmed.")) from error
        self.stdout.write(event.encoded.decode())
