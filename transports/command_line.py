"""The language of the management commands: help, output and errors."""

from __future__ import annotations

import argparse
import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation
from django.utils.translation import gettext

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in their order in POSIX


class TranslatedCommand(BaseCommand):
    """A command whose texts are in the language of `--language`, or of the environment.

    `help` is marked with `gettext_noop`, and the texts of `add_arguments` with `gettext`.
    """

    def run_from_argv(self, argv: list[str]) -> None:
        chosen = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        chosen.add_argument("--language", nargs="?")
        options, _ = chosen.parse_known_args(argv)
        with translation.override(language(options.language)):
            super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        with translation.override(translation.get_language() or environment_language()):
            self.help = gettext(self.help)
            parser = super().create_parser(prog_name, subcommand, **options)
            parser.add_argument(
                "--language",
                choices=list(dict(settings.LANGUAGES)),
                help=gettext(
                    "language of the output; default: that of LC_ALL, LC_MESSAGES or LANG, or "
                    "English"
                ),
            )
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        with translation.override(language(options.get("language"))):
            return super().execute(*args, **options)


def language(chosen: str | None) -> str:
    """Return the language `chosen`, or that of the environment."""
    return chosen if chosen in dict(settings.LANGUAGES) else environment_language()


def environment_language() -> str:
    """Return the language of the first locale variable that is set, or the default language."""
    locale = next(filter(None, map(os.environ.get, LOCALE_VARIABLES)), "")
    code = locale.partition("_")[0].partition(".")[0]
    return code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
