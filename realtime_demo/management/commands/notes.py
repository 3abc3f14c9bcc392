"""`manage.py notes`: the notes' claims, each with its verdict and an experiment that runs now."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from realtime_demo.command_line import output_directory
from realtime_demo.comparison.server import ServerFailed
from realtime_demo.notes.claims import CLAIMS, Claim
from realtime_demo.notes.laboratory import Laboratory, Observation
from realtime_demo.notes.page import LANGUAGES, RECORD, evidence, page, verdict
from realtime_demo.production.programs import Missing
from realtime_demo.progress import progress
from transports.command_line import TranslatedCommand

LIMIT = 60.0  # seconds for an experiment
PACKAGES = ("Django", "channels", "channels-redis", "redis", "daphne", "uvicorn")


class Command(TranslatedCommand):
    help = _("Check the claims of the notes: for each, a verdict and an experiment that runs now.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "claims", nargs="*", type=int, metavar="N", help=gettext("numbers of claims (all)")
        )
        parser.add_argument("--list", action="store_true", help=gettext("run no experiment"))
        parser.add_argument(
            "--write",
            type=output_directory,
            metavar="FOLDER",
            help=gettext("write the pages and their measurements into the documentation folder"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        claims = {claim.number: claim for claim in CLAIMS}
        numbers = options["claims"] or list(claims)
        for number in numbers:
            if number not in claims:
                raise CommandError(
                    gettext("A claim must be from 1 to {count}; got {number}.").format(
                        count=len(claims), number=number
                    )
                )
        if options["write"] and (options["list"] or options["claims"]):
            raise CommandError(
                gettext("--write runs all experiments: give no claims and no --list.")
            )
        console = Console()
        if not console.is_terminal:
            console = Console(width=100)
        chosen = [claims[number] for number in numbers]
        try:
            contradicted = asyncio.run(show(console, chosen, options["list"], options["write"]))
        except KeyboardInterrupt:
            raise CommandError(gettext("Interrupted.")) from None
        if contradicted:
            raise CommandError(
                gettext("The experiments of {numbers} contradict the verdicts.").format(
                    numbers=contradicted
                )
            )


async def show(
    console: Console, claims: list[Claim], only_list: bool, folder: Path | None
) -> list[int]:
    """Print the claims with their outcomes; return the numbers of contradicted verdicts.

    With `folder`, also write the pages of the documentation.
    """
    contradicted, observations = [], {}
    async with Laboratory() as laboratory:
        for claim in claims:
            print_claim(console, claim)
            if only_list:
                continue
            started = time.monotonic()
            try:
                with progress(console) as show_step:
                    show_step(gettext("Experiment {number} …").format(number=claim.number))
                    async with asyncio.timeout(LIMIT):
                        observation = await claim.experiment(laboratory)
            except TimeoutError:
                indent(
                    console,
                    gettext(_("It did not end in {seconds} s.")).format(seconds=f"{LIMIT:g}"),
                )
                continue
            except (Missing, ServerFailed, OSError) as error:
                indent(console, gettext(_("Not run: {reason}")).format(reason=error))
                continue
            observations[claim.number] = observation
            print_outcome(console, claim, observation, time.monotonic() - started)
            if not observation.confirms:
                contradicted.append(claim.number)
    if folder is not None and not contradicted:
        if len(observations) < len(CLAIMS):
            raise CommandError(gettext("An experiment did not run; the pages are not written."))
        write(folder, observations)
    return contradicted


def indent(console: Console, text: str, style: str = "") -> None:
    console.print(Padding(Text(text, style=style), (0, 0, 0, 4)))


def print_claim(console: Console, claim: Claim) -> None:
    row = Table.grid(padding=(0, 2))
    row.add_column(justify="right", width=2)
    row.add_row(str(claim.number), Text(gettext(claim.text)), style="bold")
    console.print(row)
    indent(console, verdict(claim), "green")


def print_outcome(console: Console, claim: Claim, observation: Observation, seconds: float) -> None:
    indent(console, gettext(claim.finding))
    for sentence in observation.sentences:
        console.print(Padding(Text(f"→ {sentence}", style="cyan"), (0, 0, 0, 4)))
    outcome = (
        _("Confirmed in {seconds} s.")
        if observation.confirms
        else _("Contradicted in {seconds} s: the verdict does not hold here.")
    )
    indent(console, gettext(outcome).format(seconds=f"{seconds:.1f}"), "dim")
    for file, test in evidence(claim):
        indent(console, f"{file}::{test}", "dim")
    console.print()


def write(folder: Path, observations: dict[int, Observation]) -> None:
    """Write the pages in all languages, and the run that they show."""
    python = f"Python {platform.python_version()}"
    run = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), {python}",
        "command": f"manage.py notes --write {os.path.relpath(folder)}",
    }
    saved = {str(number): each.sentences for number, each in observations.items()}
    record = {"run": run, "observations": saved}
    path = folder / RECORD
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    for language, name in LANGUAGES.items():
        (folder / name).write_text(page(language, record))
