"""`manage.py token`: issuing, listing and revoking bearer tokens."""

from __future__ import annotations

import re
import uuid
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from transports.auth import tokens
from transports.auth.models import Token
from transports.command_line import ColumnHelpFormatter, TranslatedCommand
from transports.http.problems import Problem

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=3650)


def duration(text: str) -> timedelta:
    """Parse `90s`, `15m`, `12h` or `30d`; raises `ArgumentTypeError`."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    lifetime = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None
    if lifetime is None or lifetime > LONGEST:
        raise ArgumentTypeError(
            gettext(
                "Expected a duration of up to ten years, such as 90s, 15m, 12h or 30d; got {text}."
            ).format(text=repr(text))
        )
    return lifetime


class Command(TranslatedCommand):
    help = gettext_noop("Issue, list and revoke the bearer tokens of programs.")

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        issue = actions.add_parser(
            "issue",
            help=gettext("print a new token; it is shown only once"),
            formatter_class=ColumnHelpFormatter,
        )
        issue.add_argument("user", help=gettext("username"))
        issue.add_argument(
            "--expires",
            type=duration,
            default="30d",
            help=gettext("lifetime, such as 90s, 15m, 12h or 30d (default)"),
        )
        issue.add_argument("--note", default="", help=gettext("purpose of the token"))
        revoke = actions.add_parser(
            "revoke",
            help=gettext("revoke a token, or all tokens of a user"),
            formatter_class=ColumnHelpFormatter,
        )
        target = revoke.add_mutually_exclusive_group(required=True)
        target.add_argument("token", nargs="?", help=gettext("the token, or its id from the list"))
        target.add_argument("--user", help=gettext("revoke all tokens of this user"))
        listing = actions.add_parser(
            "list", help=gettext("list the valid tokens"), formatter_class=ColumnHelpFormatter
        )
        listing.add_argument("--user", help=gettext("only the tokens of this user"))

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            getattr(self, action)(**options)
        except DatabaseError as error:
            raise CommandError(
                gettext("{error} ('manage.py migrate' creates missing tables)").format(error=error)
            ) from error

    def issue(self, user: str, expires: timedelta, note: str, **_: Any) -> None:
        if getattr(settings, "SECRET_KEY_IS_RANDOM", False):
            raise CommandError(
                gettext(
                    "Tokens are signed with SECRET_KEY: set that environment variable to the same "
                    "value for this command and for the server."
                )
            )
        owner = self._user(user)
        if not owner.is_active:
            raise CommandError(
                gettext("The user {user} is not active; their tokens would be rejected.").format(
                    user=user
                )
            )
        Token.objects.filter(expires_at__lte=timezone.now()).delete()
        text, row = tokens.issue(owner, expires, note[:100])
        self.stderr.write(
            gettext("{token} of {user}, until {time} UTC").format(
                token=row.id, user=user, time=f"{row.expires_at:%Y-%m-%d %H:%M:%S}"
            )
        )
        self.stdout.write(text)

    def revoke(self, token: str | None, user: str | None, **_: Any) -> None:
        if user is not None:
            rows = Token.objects.filter(user=self._user(user))
        else:
            rows = Token.objects.filter(id=self._identity(token or ""))
        count, _deleted = rows.delete()
        if not count and token:
            raise CommandError(gettext("There is no such token; it may have been revoked already."))
        self.stdout.write(
            gettext("Revoked: {count}. Open connections end within 5 s.").format(count=count)
        )

    def list(self, user: str | None, **_: Any) -> None:
        rows = Token.objects.filter(expires_at__gt=timezone.now()).select_related("user")
        if user is not None:
            rows = rows.filter(user=self._user(user))
        for row in rows:
            time = f"{row.expires_at:%Y-%m-%d %H:%M:%S}"
            until = gettext("until {time} UTC").format(time=time)
            self.stdout.write(f"{row.id}  {row.user.get_username()}  {until}  {row.note}".rstrip())

    @staticmethod
    def _user(name: str) -> Any:
        model = get_user_model()
        try:
            return model._default_manager.get_by_natural_key(name)
        except model.DoesNotExist as error:
            raise CommandError(
                gettext("There is no user {name}.").format(name=repr(name))
            ) from error

    @staticmethod
    def _identity(text: str) -> uuid.UUID:
        try:
            return uuid.UUID(text)
        except ValueError:
            pass
        try:
            return tokens.read(text, even_expired=True).id
        except Problem as problem:
            raise CommandError(
                gettext("{detail} To revoke all tokens of a user, use --user.").format(
                    detail=problem.detail
                )
            ) from problem
