"""Conformance of the four ASGI servers: `python -m tests.server.conformance`.

Runs the conformance kit against this project on each server, and writes
`docs/measurements/conformance.json` and the generated part of `docs/conformance.md`.
"""

from __future__ import annotations

import asyncio
import importlib.metadata

from rich.console import Console

from benchmarks import publishing
from conformance import report, runner
from conformance.catalog import select
from conformance.probe import Probe
from conformance.raw import split
from conformance.runner import Result
from realtime_demo.asgi_servers import SERVERS
from realtime_demo.comparison.host import environment
from realtime_demo.progress import progress
from tests.support.live import SERVER_ENVIRONMENT, LiveServer

TIMEOUT = 18.0  # seconds; the cases of the heartbeat need 17


def main() -> None:
    machine = environment()
    results = {}
    with progress(Console()) as show_step:
        for name in SERVERS:
            show_step(f"{name} …")
            results[name] = asyncio.run(judge(name))
    versions = {name: importlib.metadata.version(name) for name in SERVERS}
    outcomes = {
        name: {
            outcome: {each.case.id: each.reason for each in of_server if each.outcome == outcome}
            for outcome in ("failed", "skipped")
        }
        for name, of_server in results.items()
    }
    figures = {"versions": versions, "outcomes": outcomes}
    measured = publishing.document("tests.server.conformance", machine, figures)
    publishing.write(publishing.MEASUREMENTS / "conformance.json", measured)
    names = [f"{name.capitalize()} {versions[name]}" for name in SERVERS]
    table = report.markdown(names, list(results.values()))
    part = f"{publishing.provenance(measured)}\n{table}"
    publishing.write_part("conformance", "conformance", part)


async def judge(name: str) -> list[Result]:
    """Run all cases against this project on server `name`."""
    with LiveServer(server=name, env=SERVER_ENVIRONMENT, stop_timeout=60) as live:
        origin, target = split(live.url)
        probe = Probe.of(origin, target, "ours", timeout=TIMEOUT, publish=True)
        results = await runner.run(probe, select("ours"), at_once=8)
    print(f"{name}: {report.summary(results)}", flush=True)
    return results


if __name__ == "__main__":
    main()
