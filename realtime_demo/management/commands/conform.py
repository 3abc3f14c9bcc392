"""`manage.py conform URL`: the conformance kit, as `python -m conformance`."""

from __future__ import annotations

import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext

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
        cli.add_arguments(parser, gettext)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(cli.execute(Namespace(**options)))
