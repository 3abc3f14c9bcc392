"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.machine import allow_open_files, bind, cores
from benchmarks.plan import FULL, NAMES, QUICK, Size, steps
from benchmarks.results import Results
from benchmarks.servers import ServerFailed
from benchmarks.tables import show
from realtime_demo.comparison.host import environment


def main() -> None:
    """Measure, print, and end with 1 where a number to hold does not."""
    options = parser().parse_args()
    console = Console()
    allow_open_files(4_096)
    server_core, load_core = cores()
    bind(0, load_core)
    size = QUICK if options.quick else FULL
    try:
        results = asyncio.run(measure(size, options.only, server_core, console))
    except KeyboardInterrupt:
        sys.exit(130)
    except ServerFailed as failure:
        sys.exit(f"The server to measure does not listen. {failure}")
    console.print(setup(environment(), server_core))
    show(results, console)
    if options.json:
        document = {
            "command": ["python", "-m", "benchmarks", *sys.argv[1:]],
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "environment": environment(),
            "history": "redis" if os.environ.get("REDIS_URL") else "memory",
            **results.document(),
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")
        console.print(f"Written: {options.json}")
    sys.exit(not all(hold.held for hold in results.holds))


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="less of everything")
    arguments.add_argument(
        "--only",
        action="append",
        default=[],
        choices=NAMES,
        metavar="NAME",
        help=f"a scenario or a contestant (may be repeated): {', '.join(NAMES)}",
    )
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the raw figures there")
    return arguments


async def measure(size: Size, only: list[str], core: int | None, console: Console) -> Results:
    results = Results()
    plan = list(steps(size, only))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(plan))
        for step in plan:
            progress.update(task, description=step.label)
            await step.run(results, core)
            progress.advance(task)
    return results


def setup(machine: dict[str, Any], core: int | None) -> str:
    where = "in Redis" if os.environ.get("REDIS_URL") else "in memory"
    bound = "" if core is None else ", server and load on a core each"
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"History and channel layer {where}{bound}.\n"
        f"[dim]{machine['processor']}, {machine['system']}, Python {machine['python']}, "
        f"{packages}[/dim]"
    )
