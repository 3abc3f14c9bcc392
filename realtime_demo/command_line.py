"""Argument types of the commands, and the language of their output.

Each message of an argument type says what was expected and what came.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.utils import translation

LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in their order in POSIX


class TranslatedCommand(BaseCommand):
    """A command whose output is in the language of `--language`, or of the environment."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **options)
        parser.add_argument(
            "--language",
            choices=[code for code, _ in settings.LANGUAGES],
            help="language of the output; default: that of LC_ALL, LC_MESSAGES or LANG, or English",
        )
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        with translation.override(options.get("language") or environment_language()):
            return super().execute(*args, **options)


def environment_language() -> str:
    """Return the language of the first locale variable that is set, or the default language."""
    locale = next(filter(None, map(os.environ.get, LOCALE_VARIABLES)), "")
    language = locale.partition("_")[0].partition(".")[0]
    return language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def at_least(least: float) -> Callable[[str], float]:
    """Return a type for argparse: a finite number, `least` or more."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            raise argparse.ArgumentTypeError(f"expected a number, at least {least:g}; got {text!r}")
        return value

    return number


def output_file(text: str) -> Path:
    """Return the path of a file that can be written: a type for argparse.

    It is checked before the run, whose figures would be lost.
    """
    path = Path(text).absolute()
    if not text or path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file to write; got {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"expected an existing directory; got {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"expected a file to write; no permission for {path}")
    return path
