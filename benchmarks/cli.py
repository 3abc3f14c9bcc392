"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import sys
from typing import Any

from rich.console import Console

from benchmarks import publishing
from benchmarks.peers import environment as peers
from benchmarks.plan import FULL, NAMES, QUICK, Size, steps
from benchmarks.results import Results, markdown, show
from benchmarks.servers import bind, cores
from realtime_demo.asgi_servers import SERVERS, raise_open_files
from realtime_demo.command_line import output_file
from realtime_demo.comparison.host import environment
from realtime_demo.comparison.server import ServerFailed
from realtime_demo.progress import progress

OPEN_FILES = 4_096
PACKAGES = ("django", "channels", *SERVERS)
PEERS = ("python-socketio", "django-eventstream")


def main() -> None:
    """Measure and print; exit with 1 if a limit is not met."""
    options = parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    raise_open_files(OPEN_FILES)
    machine = environment()  # before this process is bound to one core
    server_core, load_core = cores()
    bind(0, load_core)
    size = QUICK if options.quick else FULL
    try:
        results = asyncio.run(measure(size, options.only, server_core, console))
    except KeyboardInterrupt:
        sys.exit(130)
    except (ServerFailed, peers.NotInstalled) as failure:
        sys.exit(str(failure))
    history = "redis" if os.environ.get("REDIS_URL") else "memory"
    figures = {"history": history, "versions": versions(), **results.document()}
    measured = publishing.document("benchmarks", machine, figures)
    show(results, console)
    console.print(publishing.provenance(measured), highlight=False)
    if options.json:
        publishing.write(options.json, measured)
    if options.publish:
        publishing.publish("benchmarks", measured, part(measured))
    sys.exit(not all(limit.is_met for limit in results.limits))


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what a delivery costs the server."
    )
    arguments.add_argument("--quick", action="store_true", help="shorter runs, fewer contestants")
    arguments.add_argument(
        "--only",
        action="append",
        default=[],
        choices=NAMES,
        metavar="NAME",
        help=f"a scenario, a server or a contestant (may be repeated): {', '.join(NAMES)}",
    )
    arguments.add_argument(
        "--json", type=output_file, metavar="FILE", help="write the raw figures there"
    )
    arguments.add_argument(
        "--publish", action="store_true", help="write docs/measurements and docs/benchmarks.md"
    )
    return arguments


async def measure(size: Size, only: list[str], core: int | None, console: Console) -> Results:
    results = Results()
    plan = list(steps(size, only))
    with progress(console) as show_step:
        for number, step in enumerate(plan, 1):
            show_step(f"{number} of {len(plan)}: {step.label} …")
            await step.run(results, core)
    return results


def versions() -> dict[str, str]:
    """Return the versions of the servers and of the peers."""
    locked = peers.versions()
    return {
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        **{name: locked[name] for name in PEERS},
    }


def part(measured: dict[str, Any]) -> str:
    """Return the part of the document that shows `measured`."""
    return f"{publishing.provenance(measured)}\n{markdown(Results.from_document(measured))}"
