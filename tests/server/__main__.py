"""Comparison of the four ASGI servers: `python -m tests.server`.

Runs the contract suite over each, measures each by `benchmarks` and by a stop, and writes
`docs/measurements/servers.json` and the generated part of `docs/servers.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console

from benchmarks import publishing
from realtime_demo.asgi_servers import SERVERS
from realtime_demo.comparison.host import environment
from realtime_demo.progress import progress
from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.program import ROOT

from .document import TECHNIQUES, contestant, part
from .test_stop import CONNECTIONS

SUITE = "tests/contract"
STOPS = 3
SLOWEST_STOP = 60.0  # seconds


def main() -> None:
    """Exit with 1 if a server fails a test that the table of deviations does not list."""
    arguments = argparse.ArgumentParser(prog="python -m tests.server", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="measure less of everything")
    arguments.add_argument(
        "--only", choices=("suite", "figures"), help="keep the last results of the other"
    )
    options = arguments.parse_args()
    path = publishing.MEASUREMENTS / "servers.json"
    previous = json.loads(path.read_text()) if path.exists() else {}
    machine = environment()
    figures = {name: previous.get(name, {}) for name in ("suite", "stop", "benchmarks")}
    if options.only != "suite":
        figures["benchmarks"] = benchmark(options.quick)
        with progress(Console()) as show_step:
            for name in SERVERS:
                show_step(f"Stopping {name} with open connections …")
                figures["stop"][name] = seconds_of_a_stop(name)
    if options.only != "figures":
        figures["suite"] = {name: run_suite(name) for name in SERVERS}
    versions = {name: importlib.metadata.version(name) for name in SERVERS}
    measured = publishing.document("tests.server", machine, {"versions": versions, **figures})
    publishing.write(path, measured)
    publishing.write_part("servers", "servers", part(measured))
    sys.exit(any(results["failures"] for results in figures["suite"].values()))


def run_suite(server: str) -> dict[str, Any]:
    """Run the contract suite over `server`; return the numbers of its results."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-n", "2", "-q", f"--junit-xml={report}"]
        subprocess.run(
            [*command, SUITE],
            cwd=ROOT,
            env={**os.environ, "SERVER": server, "STRIDE": "1"},
            check=False,
        )
        cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None]
    failed += [case for case in cases if case.find("error") is not None]
    skipped = [outcome for case in cases for outcome in case.findall("skipped")]
    expected = [outcome for outcome in skipped if outcome.get("type") == "pytest.xfail"]
    return {
        "passed": len(cases) - len(failed) - len(skipped),
        "expected_failures": len(expected),
        "failures": [f"{case.get('classname')}::{case.get('name')}" for case in failed],
    }


def benchmark(quick: bool) -> dict[str, Any]:
    """Measure the techniques on each server; return the figures of `benchmarks`."""
    names = [contestant(technique, server) for server in SERVERS for technique in TECHNIQUES]
    polling = [contestant("polling", server) for server in SERVERS]
    costs = [*names, *polling, "fanout", "polls"]
    memory = [*names, "idle", "stalled"]
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "figures.json"
        for only, more in ((costs, ["--quick"] if quick else []), (memory, [])):
            command = [sys.executable, "-m", "benchmarks", "--json", str(report), *more]
            command += [f"--only={name}" for name in only]
            # Its exit code depends on the figures required of Uvicorn.
            subprocess.run(command, cwd=ROOT, check=False)
            figures = json.loads(report.read_text())
            for name in ("fanout", "empty_polls", "idle", "stalled", "errors"):
                measured[name] = measured.get(name, []) + figures[name]
    return measured


def seconds_of_a_stop(server: str) -> float:
    """Return the median time from SIGTERM to the exit, with every kind of connection open."""
    return statistics.median(asyncio.run(_stop(server)) for _ in range(STOPS))


async def _stop(server: str) -> float:
    with LiveServer(server=server, env=SERVER_ENVIRONMENT, stop_timeout=SLOWEST_STOP) as live:
        async with AsyncExitStack() as stack:
            for opened in CONNECTIONS.values():
                await opened(stack, live.url)
            await asyncio.sleep(0.5)  # so that the server has received the requests
            began = time.monotonic()
            live.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(live.process.wait, SLOWEST_STOP)
            return time.monotonic() - began


if __name__ == "__main__":
    main()
