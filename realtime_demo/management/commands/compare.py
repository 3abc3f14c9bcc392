"""`manage.py compare`: measurement of every technique beside the theory's predictions."""

from __future__ import annotations

import argparse
import asyncio
import math
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rich.console import Console
from rich.live import Live

from realtime_demo.asgi_servers import APPLICATION
from realtime_demo.command_line import output_file
from realtime_demo.comparison import selfcheck
from realtime_demo.comparison.http_client import HTTP_CLIENTS
from realtime_demo.comparison.measurement import MeasurementFailed
from realtime_demo.comparison.output import html, json_csv
from realtime_demo.comparison.output import terminal as screen
from realtime_demo.comparison.papers import PAPERS, table
from realtime_demo.comparison.plan import (
    SCENARIOS,
    SWEPT,
    Adapter,
    Plan,
    Progress,
    Settings,
    is_path,
    sweep,
)
from realtime_demo.comparison.results import Result
from realtime_demo.comparison.runner import run
from realtime_demo.comparison.server import ServerFailed
from realtime_demo.comparison.theory import DoesNotFit
from realtime_demo.comparison.workers import WorkerFailed
from realtime_demo.progress import progress
from realtime_demo.tap.network import Network
from transports.command_line import TranslatedCommand

# Setting, unit of its option, help text.
OPTIONS = (
    ("clients", 1, gettext_noop("clients of each technique")),
    ("rate", 1, gettext_noop("events a second")),
    ("duration", 1, gettext_noop("seconds measured, for each technique")),
    ("rounds", 1, gettext_noop("rounds that the duration is split into, each with new clients")),
    ("warmup", 1, gettext_noop("seconds of load before each round that are not measured")),
    ("interval", 1, gettext_noop("seconds that a polling client pauses after a response")),
    ("hold", 1, gettext_noop("poll timeout of a long poll, in seconds")),
    ("size", 1, gettext_noop("characters of an event's text")),
    ("rtt", 1e-3, gettext_noop("simulated round trip between client and server, in ms")),
    ("jitter", 1e-3, gettext_noop("maximum of a random additional one-way delay, in ms")),
    ("bandwidth", 1e3, gettext_noop("kB a second in each direction of a connection")),
    ("seed", 1, gettext_noop("seed of the schedule")),
)
CHOOSING = ("scenario", "techniques", "adapter")
# Help text of an option, and the text that it writes.
OUTPUTS: dict[str, tuple[str, Callable[[Result], str]]] = {
    "json": (gettext_noop("write the result with all samples"), json_csv.as_json),
    "summary": (
        gettext_noop("write the result without samples, for `advise --measurements`"),
        json_csv.as_summary,
    ),
    "csv": (gettext_noop("write a table"), json_csv.as_csv),
    "report": (gettext_noop("write a self-contained HTML page"), html.page),
}
FAILURES = (ServerFailed, WorkerFailed, MeasurementFailed, DoesNotFit, OSError)
PROGRESS_INTERVAL = 5.0  # seconds between lines of progress without a terminal


def is_server(url: str) -> bool:
    """Return whether `url` is a valid base URL."""
    try:
        parts = urlsplit(url)
        return bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:  # an invalid address or port
        return False


def saved_settings(document: dict[str, Any]) -> tuple[Settings, ...]:
    """Return the settings in a result of `compare --json`."""
    return tuple(Settings.from_document(each["settings"]) for each in document["configurations"])


class Command(TranslatedCommand):
    help = gettext_noop("Measure polling, long polling, streaming and WebSocket side by side.")
    requires_system_checks: list[str] = []  # they would import the page

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--scenario", choices=SCENARIOS, help=_("a named workload to start from")
        )
        parser.add_argument("--paper", choices=PAPERS, help=_("a paper's workload, and its table"))
        for name, _unit, text in OPTIONS:
            parser.add_argument(f"--{name}", type=type(getattr(Settings, name)), help=_(text))
        parser.add_argument(
            "--arrivals", choices=("poisson", "fixed"), help=_("distribution of the events in time")
        )
        parser.add_argument(
            "--techniques", help=_("comma-separated; default: all techniques on the demo page")
        )
        parser.add_argument(
            "--adapter",
            action="append",
            default=[],
            metavar="FRAMING=PATH",
            help=_("also measure another endpoint, as sse=/events/{room}/; may be repeated"),
        )
        parser.add_argument(
            "--http-client",
            metavar="NAME",
            help=_(
                "HTTP client of polling, long polling and the publisher: {names} (default: httpx)"
            ).format(names=" or ".join(HTTP_CLIENTS)),
        )
        parser.add_argument("--server", help=_("base URL of a server; default: start a local one"))
        parser.add_argument("--application", help=_("ASGI application of the local server"))
        parser.add_argument(
            "--publish", default="/publish/{room}/", help=_("path for publishing on that server")
        )
        parser.add_argument(
            "--no-tap", action="store_true", help=_("connect the clients to the server directly")
        )
        parser.add_argument(
            "--together",
            action="store_true",
            default=None,
            help=_("measure all techniques at the same time, on the same events"),
        )
        parser.add_argument(
            "--sweep",
            action="append",
            default=[],
            metavar="NAME=A,B,C",
            help=_("measure each value of a setting: {names} (rtt and jitter in ms)").format(
                names=", ".join(SWEPT)
            ),
        )
        parser.add_argument(
            "--self-check",
            action="store_true",
            help=_("only measure the delay that the comparison itself adds"),
        )
        parser.add_argument(
            "--repeat",
            type=int,
            default=1,
            metavar="N",
            help=_("measure everything N times with new clients, to compare the runs"),
        )
        for name, (text, _written) in OUTPUTS.items():
            parser.add_argument(f"--{name}", type=output_file, metavar="FILE", help=_(text))
        parser.add_argument(
            "--rerun", type=Path, metavar="FILE", help=_("use the settings of a file from --json")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            plan = self.plan(options)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if options["self_check"]:
            self.self_check(plan)
            return
        try:
            result = self.run_with_progress(plan)
        except FAILURES as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(_("Interrupted: no figures.")) from None
        console = self.printer()
        screen.show(console, result)
        if options["paper"]:
            for configuration in result.configurations:
                console.print(screen.render(console, table(options["paper"], configuration)))
        for name, (_help, written) in OUTPUTS.items():
            if options[name]:
                options[name].write_text(written(result), encoding="utf-8")
                written_to = _("Written: {file}").format(file=options[name])
                console.print(written_to, soft_wrap=True)
        if not result.complete:
            raise CommandError(
                _("Incomplete: events were rejected, lost, duplicated or out of order.")
            )

    @staticmethod
    def printer() -> Console:
        """Return a console: the terminal, or else 100 columns."""
        console = Console(highlight=False)
        return console if console.is_terminal else Console(width=100, highlight=False)

    def self_check(self, plan: Plan) -> None:
        """Print the delay that the comparison adds. Raises `CommandError` if it is too long."""
        settings = plan.configurations[0]
        trial = replace(selfcheck.TRIAL, seed=settings.seed, http_client=settings.http_client)
        try:
            with progress(Console(stderr=True)) as show_step:
                show_step(_("Measuring the tool's own cost for about 90 s …"))
                added, http_cpu = asyncio.run(selfcheck.self_check(trial, plan.application))
        except FAILURES as error:
            raise CommandError(str(error)) from error
        console = self.printer()
        console.print(screen.render(console, selfcheck.delays(added)))
        console.print(screen.render(console, selfcheck.http_clients(http_cpu)))
        if not all(one.within for one in added):
            raise CommandError(_("The comparison adds 0.5 ms or more: the machine may be busy."))

    def plan(self, options: dict[str, Any]) -> Plan:
        """Return the plan for the options. Raises `ValueError`."""
        settings = SCENARIOS[options["scenario"]] if options["scenario"] else Settings()
        if options["paper"]:
            for name in CHOOSING:
                if options[name]:
                    raise ValueError(
                        _("--paper chooses the workload; also got --{name}.").format(name=name)
                    )
            settings = PAPERS[options["paper"]].settings
        saved = json_csv.read(options["rerun"], saved_settings) if options["rerun"] else ()
        units = {name: unit for name, unit, _help in OPTIONS}
        changes: dict[str, Any] = {
            name: options[name] * units[name] if name in units else options[name]
            for name in (*units, "arrivals", "together", "http_client")
            if options[name] is not None
        }
        techniques = list(settings.techniques)
        if options["techniques"]:
            techniques = [name.strip() for name in options["techniques"].split(",")]
        elif options["adapter"] and options["server"]:
            techniques = []  # another project's server: only the given adapters
        if saved:
            changed = [*changes, *(name for name in CHOOSING if options[name])]
            if changed:
                text = _("--rerun takes all settings from the file; also got {changed}.")
                raise ValueError(text.format(changed=", ".join(changed)))
        for text in options["adapter"]:
            Adapter.parse_path(text)  # a technique's name is not one
        changes["techniques"] = tuple(techniques + options["adapter"])
        configurations = list(saved) or [replace(settings, **changes)]
        names: list[str] = []
        for text in options["sweep"]:
            name, _equals, values = text.partition("=")
            try:
                numbers = [float(value) for value in values.split(",")]
            except ValueError:
                message = _("--sweep must be as rtt=0,50,200; got {text}.")
                raise ValueError(message.format(text=repr(text))) from None
            names.append(name)
            configurations = [each for one in configurations for each in sweep(one, name, numbers)]
        for configuration in configurations:
            configuration.check_predictable()
        if options["server"] and not is_server(options["server"]):
            text = _("--server must be as http://host:port; got {server}.")
            raise ValueError(text.format(server=repr(options["server"])))
        if options["repeat"] < 1:
            text = _("--repeat must be 1 or more; got {repeat}.")
            raise ValueError(text.format(repeat=options["repeat"]))
        if not is_path(options["publish"]):
            text = _("--publish must be as /publish/{{room}}/; got {publish}.")
            raise ValueError(text.format(publish=repr(options["publish"])))
        plan = Plan(
            configurations=tuple(configurations * options["repeat"]),
            server=options["server"],
            publish_path=options["publish"],
            tapped=not options["no_tap"],
            application=options["application"] or APPLICATION,
            command=shlex.join(["manage.py", *sys.argv[1:]]),
            swept=" ".join(names) or None,
        )
        simulated = any(configuration.network != Network() for configuration in configurations)
        if simulated and (not plan.tapped or (plan.server or "").startswith("https:")):
            raise ValueError(
                _(
                    "rtt, jitter and bandwidth need the tap: they cannot be used with --no-tap or "
                    "TLS."
                )
            )
        return plan

    def run_with_progress(self, plan: Plan) -> Result:
        """Run `plan`, with its progress on the terminal if there is configuration."""
        console = Console(stderr=True)
        phases = sum(
            len(settings.each_round()) * (1 if settings.together else len(settings.techniques))
            for settings in plan.configurations
        )
        done, printed_at = -1, -math.inf
        live = Live(console=console, refresh_per_second=4, transient=True)

        def show(progress: Progress) -> None:
            nonlocal done, printed_at
            done += progress.phase == "connecting"
            if console.is_terminal:
                live.update(screen.progress(progress, max(0, done), phases))
            elif time.monotonic() - printed_at > PROGRESS_INTERVAL:
                printed_at = time.monotonic()
                line = screen.progress_line(progress, max(0, done), phases)
                self.stderr.write(line, self.style.NOTICE)

        with live if console.is_terminal else nullcontext():
            return asyncio.run(run(plan, show))
