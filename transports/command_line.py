"""The language of the management commands: help, output and errors."""

from __future__ import annotations

import argparse
import gettext as standard
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unicodedata import east_asian_width

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter
from django.utils import translation
from django.utils.translation import gettext, gettext_noop

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in their order in POSIX
# Texts of Django, Channels and argparse, which have no Korean catalog.
TEXTS_OF_LIBRARIES = (
    gettext_noop("Show program's version number and exit."),
    gettext_noop(
        "Verbosity level; 0=minimal output, 1=normal output, 2=verbose output, 3=very verbose "
        "output"
    ),
    gettext_noop(
        'The Python path to a settings module, e.g. "myproject.settings.main". If this isn\'t '
        "provided, the DJANGO_SETTINGS_MODULE environment variable will be used."
    ),
    gettext_noop('A directory to add to the Python path, e.g. "/home/djangoprojects/myproject".'),
    gettext_noop("Display a full stack trace on CommandError exceptions."),
    gettext_noop("Don't colorize the command output."),
    gettext_noop("Force colorization of the command output."),
    gettext_noop("Skip system checks."),
    gettext_noop("Channel layer alias to use, if not the default."),
    gettext_noop("Channels to listen on."),
    gettext_noop("usage: "),
    gettext_noop("positional arguments"),
    gettext_noop("options"),
    gettext_noop("show this help message and exit"),
    gettext_noop("%(prog)s: error: %(message)s\n"),
    gettext_noop("argument %(argument_name)s: %(message)s"),
    gettext_noop("invalid choice: %(value)r (choose from %(choices)s)"),
    gettext_noop("invalid %(type)s value: %(value)r"),
    gettext_noop("the following arguments are required: %s"),
    gettext_noop("unrecognized arguments: %s"),
    gettext_noop("one of the arguments %s is required"),
    gettext_noop("not allowed with argument %s"),
    gettext_noop("expected one argument"),
    gettext_noop("expected at least one argument"),
    gettext_noop("ambiguous option: %(option)s could match %(matches)s"),
)


class ColumnHelpFormatter(DjangoHelpFormatter):
    """Help that is wrapped by the columns of a terminal, rather than by characters."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(gettext(text), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(wrap(text, width, first=indent, indent=indent))


class TranslatedCommand(BaseCommand):
    """A command whose texts are in the language of `--language`, or of the environment.

    `help` is marked with `gettext_noop`, and the texts of `add_arguments` with `gettext`.
    """

    def run_from_argv(self, argv: list[str]) -> None:
        chosen = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        chosen.add_argument("--language", nargs="?")
        options, _ = chosen.parse_known_args(argv)
        with speaking(language(options.language)):
            try:
                super().run_from_argv(argv)
            except KeyboardInterrupt:
                self.stderr.write(gettext("Interrupted."))
                sys.exit(128 + signal.SIGINT)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        options.setdefault("formatter_class", ColumnHelpFormatter)
        with speaking(translation.get_language() or environment_language()):
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
        with speaking(language(options.get("language"))):
            return super().execute(*args, **options)


def language(chosen: str | None) -> str:
    """Return the language `chosen`, or that of the environment."""
    return chosen if chosen in dict(settings.LANGUAGES) else environment_language()


def environment_language() -> str:
    """Return the language of the first locale variable that is set, or the default language."""
    locale = next(filter(None, map(os.environ.get, LOCALE_VARIABLES)), "")
    code = locale.partition("_")[0].partition(".")[0]
    return code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Use `language` for the block, in Django's gettext and in the standard library's.

    The standard library's has the messages of argparse and of the conformance kit.
    """
    folders = [*settings.LOCALE_PATHS, *(f"{app.path}/locale" for app in apps.get_app_configs())]
    domain, environment = standard.textdomain(), os.environ.get("LANGUAGE")
    standard.bindtextdomain("django", next(filter(os.path.isdir, map(str, folders)), os.devnull))
    standard.textdomain("django")
    os.environ["LANGUAGE"] = language
    try:
        with translation.override(language):
            yield
    finally:
        standard.textdomain(domain)
        os.environ.pop("LANGUAGE")
        if environment is not None:
            os.environ["LANGUAGE"] = environment


def columns(text: str) -> int:
    """Return the columns of a terminal that `text` takes: two for a Korean character."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def wrap(text: str, width: int, *, first: str = "", indent: str = "") -> list[str]:
    """Return `text` in lines of at most `width` columns, unless a word is longer."""
    words = text.split()
    lines, line = [], first + "".join(words[:1])
    for word in words[1:]:
        if columns(f"{line} {word}") <= width:
            line = f"{line} {word}"
        else:
            lines.append(line)
            line = indent + word
    return [*lines, line]
