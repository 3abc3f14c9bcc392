"""`manage.py conform URL`: the conformance kit, as `python -m conformance`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from gettext import bindtextdomain, textdomain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import translation

import realtime_demo
from conformance import cli
from transports.command_line import TranslatedCommand


class Command(TranslatedCommand):
    help = cli.DESCRIPTION
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **options)
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = cli.EPILOG
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        use_catalogue()
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        use_catalogue()
        sys.exit(cli.execute(Namespace(**options)))


def use_catalogue() -> None:
    """Give the kit, which has no Django, the messages of the current language.

    It takes them from the standard library's gettext.
    """
    textdomain("django")
    paths = [*settings.LOCALE_PATHS, Path(realtime_demo.__file__).parent / "locale"]
    bindtextdomain("django", str(paths[0]))
    os.environ["LANGUAGE"] = translation.get_language() or "en"
