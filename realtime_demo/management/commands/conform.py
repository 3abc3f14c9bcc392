"""`manage.py conform URL`: the conformance kit, as `python -m conformance`."""

from __future__ import annotations

import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import CommandParser

from conformance import cli
from transports.command_line import ColumnHelpFormatter, TranslatedCommand, wrap


class HelpFormatter(RawDescriptionHelpFormatter, ColumnHelpFormatter):
    """Help with the kit's own lines before and after the options."""


class Command(TranslatedCommand):
    help = cli.DESCRIPTION
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, formatter_class=HelpFormatter, **options
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = cli.epilog()
        cli.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(cli.execute(Namespace(**options), wrap))
