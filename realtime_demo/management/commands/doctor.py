"""`manage.py doctor URL`: the effects of a proxy on each technique, and the cure of each."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rich.console import Console
from rich.text import Text

from realtime_demo.doctor.checks import LONGEST_HOLD, Examination, Unreachable
from realtime_demo.doctor.platforms import NGINX, PLATFORMS
from realtime_demo.doctor.remedies import Finding
from realtime_demo.doctor.target import root_of
from realtime_demo.progress import progress
from transports.command_line import TranslatedCommand
from transports.registry import BY_NAME


class Command(TranslatedCommand):
    help = gettext_noop("Probe a live deployment from outside and report the effects of a proxy.")
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", help=_("https://host[:port] of the deployment"))
        parser.add_argument(
            "--idle",
            type=float,
            default=20.0,
            help=_("seconds to leave connections idle, at most {longest} (default: 20)").format(
                longest=f"{LONGEST_HOLD:g}"
            ),
        )
        parser.add_argument(
            "--platform",
            action="append",
            choices=PLATFORMS,
            metavar="NAME",
            help=_(
                "the proxy or platform of the remedies: {names}; several if repeated (default: "
                "recognised)"
            ).format(names=", ".join(PLATFORMS)),
        )
        parser.add_argument(
            "--json", action="store_true", help=_("print the findings as JSON, in English")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url: str = options["url"]
        try:
            url = root_of(url)
        except ValueError as error:
            raise CommandError(
                _("A deployment's URL must be as https://host[:port]; got {url} ({error}).").format(
                    url=repr(url), error=error
                )
            ) from error
        if not 0 < options["idle"] <= LONGEST_HOLD:
            raise CommandError(
                _("--idle must be seconds, above 0 and at most {longest}; got {idle}.").format(
                    longest=f"{LONGEST_HOLD:g}", idle=f"{options['idle']:g}"
                )
            )
        platforms = [PLATFORMS[name] for name in options["platform"] or ()]
        examination = Examination(url, options["idle"], platforms)
        # A program's input does not depend on the reader's language.
        with translation.override("en" if options["json"] else translation.get_language()):
            try:
                with progress(Console(stderr=True)) as show_step:
                    show_step(
                        _("Examining {url} for about {seconds} s …").format(
                            url=url, seconds=f"{examination.idle:g}"
                        )
                    )
                    findings = asyncio.run(examination.run())
            except Unreachable as error:
                raise CommandError(str(error)) from error
            if options["json"]:
                platforms = examination.platforms or [NGINX]
                names = [platform.name for platform in examination.platforms]
                documents = [
                    # `what`: the former name of `fault`, for programs that read it.
                    {
                        **asdict(finding),
                        "what": finding.fault,
                        "cure": finding.cure(platforms),
                        "platforms": names,
                    }
                    for finding in findings
                ]
                self.stdout.write(json.dumps(documents, ensure_ascii=False, indent=2))
            else:
                self.show(findings, examination)
        if any(finding.severity == "problem" for finding in findings):
            sys.exit(1)

    def show(self, findings: list[Finding], examination: Examination) -> None:
        """Print each finding, and its cure in lines that can be copied."""
        console = Console(highlight=False)
        console.print(
            _("Examined {url} for {seconds} s; a round trip takes {ms} ms.").format(
                url=examination.target.url,
                seconds=f"{examination.idle:g}",
                ms=f"{1000 * examination.round_trip:.1f}",
            )
        )
        names = ", ".join(platform.name for platform in examination.platforms)
        if names:
            console.print(_("Platform: {names}").format(names=names))
        elif findings:
            console.print(
                _("No platform was recognised: the remedies are nginx's; see --platform.")
            )
        if not findings:
            console.print(_("No findings: the proxy changes no technique."), style="green")
        for finding in findings:
            style = "bold red" if finding.severity == "problem" else "yellow"
            severity = _("problem") if finding.severity == "problem" else _("note")
            technique = _("all techniques")
            if finding.technique in BY_NAME:
                technique = _(BY_NAME[finding.technique].label)
            heading = f"{technique}: {finding.name} ({severity})"
            console.print()
            console.print(Text(heading, style=style), soft_wrap=True)
            console.print(Text(finding.evidence))
            cure = finding.cure(examination.platforms or [NGINX])
            console.print(Text(cure), soft_wrap=True)
