"""`manage.py compare`: measurement of every technique beside the theory's predictions."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.live import Live

from realtime_demo.comparison.local_server import ServerFailed
from realtime_demo.comparison.output import html, json_csv, tables
from realtime_demo.comparison.output import terminal as screen
from realtime_demo.comparison.papers import PAPERS, table
from realtime_demo.comparison.phase import MeasurementFailed
from realtime_demo.comparison.plan import SCENARIOS, SWEPT, Plan, Progress, Settings, sweep
from realtime_demo.comparison.results import Result
from realtime_demo.comparison.runner import run
from realtime_demo.comparison.selfcheck import Trial, self_check
from realtime_demo.comparison.theory import DoesNotFit
from realtime_demo.comparison.workers import WorkerFailed

# Option, setting, unit of the option, help text.
OPTIONS = (
    ("clients", "clients", 1, "clients of each technique"),
    ("rate", "rate", 1, "events a second"),
    ("duration", "duration", 1, "seconds measured, for each technique"),
    ("rounds", "rounds", 1, "rounds that the duration is split into, each with new clients"),
    ("warmup", "warmup", 1, "seconds of load before each round that are not measured"),
    ("interval", "interval", 1, "seconds that a polling client pauses after a response"),
    ("hold", "hold", 1, "poll timeout of a long poll, in seconds"),
    ("size", "size", 1, "characters of an event's text"),
    ("rtt", "rtt", 1e-3, "simulated round trip between client and server, in ms"),
    ("jitter", "jitter", 1e-3, "maximum of a random additional one-way delay, in ms"),
    ("bandwidth", "bandwidth", 1e3, "kB a second in each direction of a connection"),
    ("seed", "seed", 1, "seed of the schedule"),
)
CHOOSING = ("scenario", "techniques", "adapter")
OUTPUT_OPTIONS = ("json", "summary", "csv", "report")
INTEGER_OPTIONS = ("clients", "rounds", "size", "seed")
PROGRESS_INTERVAL = 5.0  # seconds between lines of progress without a terminal


class Command(BaseCommand):
    help = "Measure polling, long polling, streaming and WebSocket side by side."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--scenario", choices=SCENARIOS, help="a named workload to start from")
        parser.add_argument("--paper", choices=PAPERS, help="a paper's workload, and its table")
        for option, _, _, text in OPTIONS:
            kind = int if option in INTEGER_OPTIONS else float
            parser.add_argument(f"--{option}", type=kind, help=text)
        parser.add_argument(
            "--arrivals", choices=("poisson", "fixed"), help="distribution of the events in time"
        )
        parser.add_argument(
            "--techniques", help="comma-separated; default: all techniques on the demo page"
        )
        parser.add_argument(
            "--adapter",
            action="append",
            default=[],
            metavar="FRAMING=PATH",
            help="also measure another endpoint, as sse=/events/{room}/; may be repeated",
        )
        parser.add_argument("--server", help="base URL of a server; default: start a local one")
        parser.add_argument("--application", help="ASGI application of the local server")
        parser.add_argument(
            "--publish", default="/publish/{room}/", help="path for publishing on that server"
        )
        parser.add_argument(
            "--no-tap", action="store_true", help="connect the clients to the server directly"
        )
        parser.add_argument(
            "--together",
            action="store_true",
            default=None,
            help="measure all techniques at the same time, on the same events",
        )
        parser.add_argument(
            "--sweep",
            action="append",
            default=[],
            metavar="NAME=A,B,C",
            help=f"measure each value of a setting: {', '.join(SWEPT)} (rtt and jitter in ms)",
        )
        parser.add_argument(
            "--self-check",
            action="store_true",
            help="only measure the delay that the comparison itself adds",
        )
        parser.add_argument(
            "--repeat",
            type=int,
            default=1,
            metavar="N",
            help="measure everything N times with new clients, to compare the runs",
        )
        parser.add_argument("--json", metavar="FILE", help="write the result with all samples")
        parser.add_argument(
            "--summary",
            metavar="FILE",
            help="write the result without samples, for `advise --measurements`",
        )
        parser.add_argument("--csv", metavar="FILE", help="write a table")
        parser.add_argument("--report", metavar="FILE", help="write a self-contained HTML page")
        parser.add_argument(
            "--rerun", metavar="FILE", help="use the settings of a file from --json"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plan = self.plan(options)
        except (ValueError, OSError) as error:
            raise CommandError(str(error)) from error
        if options["self_check"]:
            self.self_check(plan)
            return
        outputs = [options[name] for name in OUTPUT_OPTIONS if options[name]]
        for name in outputs:
            self.check_output(Path(name).absolute())
        try:
            result = self.run_with_progress(plan)
        except (ServerFailed, WorkerFailed, MeasurementFailed, DoesNotFit, OSError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted: no figures.") from None
        console = self.printer()
        screen.show(console, result)
        if options["paper"]:
            for configuration in result.configurations:
                console.print(screen.render(table(options["paper"], configuration)))
        if options["json"]:
            Path(options["json"]).write_text(json.dumps(json_csv.document(result)))
        if options["summary"]:
            summary = json_csv.document(result, samples=False)
            Path(options["summary"]).write_text(json.dumps(summary, indent=1) + "\n")
        if options["csv"]:
            Path(options["csv"]).write_text(json_csv.as_csv(result))
        if options["report"]:
            Path(options["report"]).write_text(html.page(result), encoding="utf-8")
        for name in outputs:
            console.print(f"Written: {name}")
        if not result.complete:
            raise CommandError(
                "Incomplete: events were rejected, lost, duplicated or out of order."
            )

    @staticmethod
    def check_output(path: Path) -> None:
        """Check before the run that `path` can be written. Raises `CommandError`."""
        if not path.parent.is_dir():
            raise CommandError(f"The folder of {path} does not exist.")
        if path.is_dir():
            raise CommandError(f"Expected a file to write; {path} is a folder.")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise CommandError(f"No permission to write {path}.")

    @staticmethod
    def printer() -> Console:
        """Return a console: the terminal, or else 100 columns."""
        console = Console()
        return console if console.is_terminal else Console(width=100)

    def self_check(self, plan: Plan) -> None:
        """Print the delay that the comparison adds. Raises `CommandError` if it is too long."""
        try:
            added_delays = asyncio.run(
                self_check(Trial(seed=plan.configurations[0].seed), plan.application)
            )
        except (ServerFailed, WorkerFailed, MeasurementFailed, OSError) as error:
            raise CommandError(str(error)) from error
        self.printer().print(screen.render(tables.self_check(added_delays)))
        if not all(added.within for added in added_delays):
            raise CommandError("The comparison adds 0.5 ms or more: the machine may be busy.")

    def plan(self, options: dict[str, Any]) -> Plan:
        """Return the plan for the options. Raises `ValueError`, `OSError`."""
        settings = SCENARIOS[options["scenario"]] if options["scenario"] else Settings()
        if options["paper"]:
            for name in CHOOSING:
                if options[name]:
                    raise ValueError(f"--paper chooses the workload; also got --{name}.")
            settings = PAPERS[options["paper"]].settings
        saved: tuple[Settings, ...] = ()
        if options["rerun"]:
            saved = self.saved(Path(options["rerun"]))
        given: dict[str, Any] = {
            setting: options[option] * unit
            for option, setting, unit, _ in OPTIONS
            if options[option] is not None
        }
        for name in ("arrivals", "together"):
            if options[name] is not None:
                given[name] = options[name]
        techniques = list(settings.techniques)
        if options["techniques"]:
            techniques = [name.strip() for name in options["techniques"].split(",")]
        elif options["adapter"] and options["server"]:
            techniques = []  # another project's server: only the given adapters
        if saved:
            changed = [*given, *(name for name in CHOOSING if options[name])]
            if changed:
                raise ValueError(
                    f"--rerun takes all settings from the file; also got {', '.join(changed)}."
                )
        given["techniques"] = tuple(techniques + options["adapter"])
        configurations = list(saved) or [replace(settings, **given)]
        names: list[str] = []
        for text in options["sweep"]:
            name, _, values = text.partition("=")
            try:
                numbers = tuple(float(value) for value in values.split(","))
            except ValueError:
                raise ValueError(f"A sweep must be as rtt=0,50,200; got {text!r}.") from None
            names.append(name)
            configurations = [
                configuration
                for settings in configurations
                for configuration in sweep(settings, name, numbers)
            ]
        for configuration in configurations:
            configuration.check_predictable()
        if options["server"]:
            parts = urlsplit(options["server"])  # raises `ValueError`, and so does `port`
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
                raise ValueError(
                    f"A server must be as http://host:port; got {options['server']!r}."
                )
        if options["repeat"] < 1:
            raise ValueError(f"repeat must be 1 or more; got {options['repeat']}.")
        plan = Plan(
            configurations=tuple(configurations * options["repeat"]),
            server=options["server"],
            publish_path=options["publish"],
            tapped=not options["no_tap"],
            command=shlex.join(["manage.py", *sys.argv[1:]]),
            swept=" ".join(names) or None,
        )
        if options["application"]:
            plan = replace(plan, application=options["application"])
        if any(
            not math.isinf(configuration.bandwidth) or configuration.rtt or configuration.jitter
            for configuration in configurations
        ) and (not plan.tapped or (plan.server or "").startswith("https:")):
            raise ValueError(
                "rtt, jitter and bandwidth need the tap: they cannot be used with --no-tap or TLS."
            )
        return plan

    @staticmethod
    def saved(path: Path) -> tuple[Settings, ...]:
        """Return the settings in a result of `compare --json`. Raises `ValueError`, `OSError`."""
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            return tuple(
                Settings.from_document(configuration["settings"])
                for configuration in result["configurations"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: expected a result of compare --json; got {error!r}"
            ) from error

    def run_with_progress(self, plan: Plan) -> Result:
        """Run `plan`, with its progress on the terminal if there is configuration."""
        console = Console(stderr=True)
        phases = sum(
            len(settings.each_round()) * (1 if settings.together else len(settings.techniques))
            for settings in plan.configurations
        )
        done = -1
        if not console.is_terminal:
            printed_at = -math.inf

            def print_progress(progress: Progress) -> None:
                nonlocal done, printed_at
                done += progress.phase == "connecting"
                if time.monotonic() - printed_at > PROGRESS_INTERVAL:
                    printed_at = time.monotonic()
                    names = ", ".join(progress.techniques) or "the server"
                    self.stderr.write(
                        f"{max(0, done)} of {phases} measured; {progress.phase} {names}",
                        self.style.NOTICE,
                    )

            return asyncio.run(run(plan, print_progress))
        with Live(console=console, refresh_per_second=4, transient=True) as live:

            def show(progress: Progress) -> None:
                nonlocal done
                done += progress.phase == "connecting"
                live.update(screen.progress(progress, max(0, done), phases))

            return asyncio.run(run(plan, show))
