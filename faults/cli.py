"""The command line: `python -m faults`."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from rich.console import Console

from realtime_demo.asgi_servers import raise_open_files
from realtime_demo.command_line import at_least, output_file
from realtime_demo.progress import progress

from .deployment import ROOT, Deployment, NotStarted
from .faults import BY_NAME, FAULTS, Fault
from .hosts import Unavailable, run_hosts
from .report import markdown, provenance, show
from .run import Outcome, run

CLIENTS, RATE = 50, 2.0
SHORT_CLIENTS, SHORT_RATE = 3, 5.0


def main() -> int:
    options = parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    raise_open_files(8_192)
    faults = [BY_NAME[name] for name in options.only] or [
        fault for fault in FAULTS if fault.in_short or not options.short
    ]
    is_small = options.short or options.hosts
    clients = int(options.clients or (SHORT_CLIENTS if is_small else CLIENTS))
    rate = options.rate or (SHORT_RATE if is_small else RATE)
    if options.hosts:
        try:
            with progress(console) as show_step:
                results = run_hosts(clients, rate, show_step)
        except Unavailable as error:
            console.print(f"Skipped: no network namespaces can be made here ({error}).")
            return 0
        show(results, console)
        return int(any(outcome.complaints for outcome in results))
    document = provenance("faults")
    outcomes = []
    for outcome in inject(faults, clients, rate, console):
        outcomes.append(outcome)
        if options.json:
            document["faults"] = [each.document() for each in outcomes]
            options.json.write_text(json.dumps(document, indent=1) + "\n")
    show(outcomes, console)
    if options.markdown:
        options.markdown.write_text(markdown(outcomes))
    return int(len(outcomes) < len(faults) or any(each.complaints for each in outcomes))


def inject(
    faults: Sequence[Fault], clients: int, rate: float, console: Console
) -> Iterable[Outcome]:
    """Inject the faults one after another; those of the same environment share a deployment."""
    ordered = sorted(
        faults, key=lambda fault: (fault.clustered, fault.replicated, sorted(fault.env.items()))
    )
    groups = groupby(ordered, key=lambda fault: (fault.env, fault.replicated, fault.clustered))
    for (env, replicated, clustered), group in groups:
        with tempfile.TemporaryDirectory(prefix="realtime-faults-") as directory:
            clock = Path(directory) / "clock"
            clock.write_bytes(struct.pack("d", 0.0))
            clock_env = {"PYTHONPATH": str(ROOT / "faults" / "clock"), "REALTIME_CLOCK": str(clock)}
            try:
                deployment = Deployment(
                    Path(directory),
                    env={**clock_env, **env},
                    replicated=replicated,
                    clustered=clustered,
                )
                with progress(console) as show_step, deployment_of(deployment, show_step):
                    for fault in group:
                        show_step(f"{time.strftime('%T')} {fault.title} …")
                        try:
                            yield asyncio.run(
                                run(fault, deployment, clock, clients=clients, rate=rate)
                            )
                        except* TimeoutError:
                            console.print(f"[red]{fault.name}: a client did not recover[/red]")
            except NotStarted as error:
                console.print(f"[red]The deployment did not start: {error}[/red]")
            # The directory is temporary; the output of its processes is kept.
            shutil.copyfile(deployment.log, Path(tempfile.gettempdir()) / "realtime-faults.log")


@contextmanager
def deployment_of(deployment: Deployment, show_step: Callable[[str], None]) -> Iterator[Deployment]:
    """Run the deployment for the block, and show its start and stop."""
    show_step("Starting the deployment …")
    with deployment:
        try:
            yield deployment
        finally:
            show_step("Stopping the deployment …")


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m faults",
        description="Inject faults into a deployment, and check every client's events.",
    )
    arguments.add_argument("--short", action="store_true", help="a few faults, few clients")
    arguments.add_argument(
        "--only",
        action="append",
        default=[],
        choices=list(BY_NAME),
        metavar="FAULT",
        help=f"a fault to inject (may be repeated): {', '.join(BY_NAME)}",
    )
    arguments.add_argument(
        "--hosts",
        action="store_true",
        help="cut the link between two hosts (network namespaces; needs root)",
    )
    arguments.add_argument(
        "--clients", type=at_least(1), help=f"clients of each technique ({CLIENTS})"
    )
    arguments.add_argument("--rate", type=at_least(0.01), help=f"events a second ({RATE:g})")
    arguments.add_argument(
        "--json", type=output_file, metavar="FILE", help="write all figures to FILE"
    )
    arguments.add_argument(
        "--markdown", type=output_file, metavar="FILE", help="write tables to FILE"
    )
    return arguments
