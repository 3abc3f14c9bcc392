"""`manage.py doctor URL`: the effects of a proxy on each technique, and the cure of each."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from realtime_demo.doctor.checks import LONGEST_HOLD, Examination, Unreachable
from realtime_demo.doctor.http_trace import root_of
from realtime_demo.doctor.remedies import Finding

PROGRESS_INTERVAL = 5.0  # seconds between lines of progress


class Command(BaseCommand):
    help = "Probe a live deployment from outside and report the effects of a proxy."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help="https://host[:port] of the deployment")
        parser.add_argument(
            "--idle",
            type=float,
            default=20.0,
            help=f"seconds to leave connections idle, at most {LONGEST_HOLD:g} (default: 20)",
        )
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        url: str = options["url"]
        try:
            url = root_of(url)
        except ValueError as error:
            raise CommandError(
                f"A deployment's URL must be as https://host[:port]; got {url!r} ({error})."
            ) from error
        if not 0 < options["idle"] <= LONGEST_HOLD:
            raise CommandError(
                f"--idle must be seconds, above 0 and at most {LONGEST_HOLD:g}; "
                f"got {options['idle']:g}."
            )
        examination = Examination(url, options["idle"])
        try:
            findings = asyncio.run(self.examine(examination))
        except Unreachable as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            documents = [{**asdict(finding), "cure": finding.cure} for finding in findings]
            self.stdout.write(json.dumps(documents, ensure_ascii=False, indent=2))
        else:
            self.show(findings, examination)
        if any(finding.severity == "problem" for finding in findings):
            sys.exit(1)

    async def examine(self, examination: Examination) -> list[Finding]:
        """Return the findings; print a line of progress to stderr every few seconds."""
        self.stderr.write(
            f"Examining {examination.target.url} for about {examination.idle:g} s …",
            self.style.NOTICE,
        )
        start = time.monotonic()
        task = asyncio.ensure_future(examination.run())
        while not (await asyncio.wait({task}, timeout=PROGRESS_INTERVAL))[0]:
            self.stderr.write(f"… {time.monotonic() - start:.0f} s", self.style.NOTICE)
        return task.result()

    def show(self, findings: list[Finding], examination: Examination) -> None:
        console = Console()
        console.print(
            f"Examined {examination.target.url} for {examination.idle:g} s; "
            f"a round trip takes {1000 * examination.round_trip:.1f} ms."
        )
        if not findings:
            console.print("[green]No findings: the proxy changes no technique.")
            return
        table = Table(show_lines=True)
        for title in ("technique", "what", "seen", "cure"):
            table.add_column(title, overflow="fold")
        for finding in findings:
            style = "bold red" if finding.severity == "problem" else "yellow"
            what = f"[{style}]{finding.what}[/]"
            table.add_row(finding.technique, what, escape(finding.evidence), escape(finding.cure))

        console.print(table)
