"""Django's `makemessages` with this project's options; `make messages` runs it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.commands import makemessages

IGNORED = ["build", "docs", "node_modules", "staticfiles", "tests", "*.config.js"]
# Exceptions of the conformance kit, whose message is the first argument.
EXCEPTIONS = ("Failed", "Skipped", "Unanswered", "NoResponse", "TimedOut")


class Command(makemessages.Command):
    # Django ignores fuzzy translations, and a translator may overlook them.
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]
    xgettext_options = [
        *makemessages.Command.xgettext_options,
        *(f"--keyword={name}" for name in EXCEPTIONS),
    ]

    def handle(self, *args: Any, **options: Any) -> None:
        languages = dict(settings.LANGUAGES).keys() - {settings.LANGUAGE_CODE}
        options |= {
            "locale": sorted(languages),
            "ignore_patterns": IGNORED,
            "add_location": "file",
            "no_obsolete": True,
            "no_wrap": True,
        }
        super().handle(*args, **options)
