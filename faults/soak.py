"""The soak test: an hour of a steady feed with clients that come and go, and resource trends.

    python -m faults.soak [--minutes 60] [--rate 10] [--clients 40] [--json FILE] [--markdown FILE]

A deployment serves clients of every technique, half of them through a tap that cuts all of its
connections every 20 s. Twenty times (in a short soak, every 30 s) all clients leave, and the open
descriptors, threads and tasks are counted. At rest they do not depend on the clients, so a leak is
visible. Memory is sampled every ten seconds. Each series' slope is reported with its 95 % interval:
of memory over the second half of the time, of the others without the first quarter. A series is
flat if the whole interval is within the tolerance.

`--leak 50` makes each server leak a descriptor for every fiftieth connection; the soak must fail.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from realtime_demo.command_line import at_least, output_file
from realtime_demo.comparison.output.tables import Table
from realtime_demo.comparison.output.terminal import render
from realtime_demo.progress import progress
from realtime_demo.tap.proxy import Tap
from transports.events import Cursor
from transports.registry import TECHNIQUES

from .clients import Follower, trust
from .deployment import ROOT, Deployment
from .ledger import ClientLedger
from .publisher import RetryingPublisher, current_cursor
from .report import markdown_row, provenance
from .resources import ResourceSample, sample_at_rest, sample_resources
from .trend import BLOCK, Trend
from .trend import trend as fit

INTERVAL = 10.0  # seconds between samples
ROUNDS, ROUND = 20, 30.0  # rounds; minimum seconds of a round
# A round ends with DISCONNECT seconds in which nginx closes its connections to the servers
# (`keepalive_timeout 3s`), and REST seconds of sampling. The readiness check every 5 s
# (`production.supervisord`) keeps a connection open for 3 s, so some samples are without it.
DISCONNECT, REST = 4.0, 6.0
STAY = 30.0  # mean seconds that a client stays
CUT = 20.0  # seconds between cuts of the tap's connections
WORK = 60.0  # seconds between tasks for the worker
# IDEMPOTENCY_EXPIRY, in seconds for each minute of the soak: ten minutes in an hour. With the
# default of an hour, the number of keys in Redis would grow until the end.
KEYS = 10
ROOM = "soak"
# Tolerated growth in an hour, as a share of the mean, and at least LEAST (memory in MiB).
TOLERANCE = {"memory": 0.03, "descriptors": 0.05, "threads": 0.05, "tasks": 0.05}
LEAST = {"memory": 1.0, "descriptors": 1.5, "threads": 1.5, "tasks": 1.5}
# Minutes without which memory has no verdict: allocators, and Redis until its rooms are full, grow
# for half an hour.
MEMORY_MINUTES = 60


@dataclass
class Soak:
    """A soak test: its load, and the samples and totals so far."""

    minutes: float
    rate: float
    clients: int
    samples: dict[str, list[ResourceSample]] = field(default_factory=dict)
    at_rest: dict[str, list[ResourceSample]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    _staff: dict[str, str] = field(default_factory=dict)  # request headers of a staff user
    _cursors: dict[int, Cursor] = field(default_factory=dict)  # by client: where the next resumes

    async def run(self, deployment: Deployment, console: Console) -> None:
        trust(deployment.paths.certificate)
        tls = ssl.create_default_context(cafile=str(deployment.paths.certificate))
        async with httpx.AsyncClient(base_url=deployment.url, verify=tls, timeout=30) as http:
            since = await current_cursor(http, ROOM)
        async with Tap("127.0.0.1", deployment.paths.port) as tap:
            self._cursors = dict.fromkeys(range(self.clients), since)
            self._staff = await asyncio.to_thread(deployment.staff)
            publisher = RetryingPublisher(deployment.url, ROOM, self.rate, tls, keep=False)
            began = time.monotonic()
            seconds = self.minutes * 60
            step = max(ROUND, seconds / ROUNDS)
            sampling = asyncio.create_task(self._sample(deployment, began, console))
            try:
                for number in range(1, int(seconds / step) + 1):
                    end = began + number * step
                    await self._round(deployment, tap, publisher, tls, end - DISCONNECT - REST)
                    await asyncio.sleep(DISCONNECT)
                    await self._rest(deployment, began)
            finally:
                sampling.cancel()
                await asyncio.wait({sampling})
                self.totals["published"] = publisher.answered
                self.totals["refused"] = publisher.failed
            if not sampling.cancelled():
                sampling.result()  # raises its exception

    async def _round(
        self,
        deployment: Deployment,
        tap: Tap,
        publisher: RetryingPublisher,
        tls: ssl.SSLContext,
        end: float,
    ) -> None:
        """Run the publisher and all clients until `end`, a time of the monotonic clock."""
        urls = [deployment.url, f"https://127.0.0.1:{tap.port}"]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(end - time.monotonic()), asyncio.TaskGroup() as group:
                group.create_task(publisher.run())
                group.create_task(self._cut(tap))
                group.create_task(self._give_work(deployment.url, tls))
                for number in range(self.clients):
                    technique = TECHNIQUES[number % len(TECHNIQUES)]
                    url = urls[number // len(TECHNIQUES) % 2]
                    group.create_task(self._visit(number, technique, url))

    async def _visit(self, number: int, technique: Any, url: str) -> None:
        """Run one client after another; each resumes from the cursor of the previous one."""
        while True:
            follower = Follower(technique, url, ROOM, self._cursors[number], keep=False)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.expovariate(1 / STAY)):
                        await follower.follow()
            finally:
                self._account(technique.name, follower.ledger)
                self._cursors[number] = follower.position

    def _account(self, name: str, ledger: ClientLedger) -> None:
        ledger.close(ledger.position)  # counts the holes as lost
        self.delivered[name] += ledger.delivered
        self.totals["visits"] += 1
        for count in ("delivered", "lost", "duplicated", "out_of_order", "resets"):
            self.totals[count] += getattr(ledger, count)

    async def _cut(self, tap: Tap) -> None:
        await asyncio.sleep(CUT / 2)
        while True:
            self.cuts += tap.cut()
            await asyncio.sleep(CUT)

    async def _give_work(self, url: str, tls: ssl.SSLContext) -> None:
        """Start a task every `WORK` seconds, in its own room."""
        while True:
            document = {"kind": "conversation", "arguments": {"room": "work", "lines": 20}}
            with contextlib.suppress(httpx.TransportError):
                async with httpx.AsyncClient(base_url=url, verify=tls, timeout=30) as http:
                    response = await http.post("/tasks/", json=document, headers=self._staff)
                    self.totals["tasks"] += response.status_code == 202
            await asyncio.sleep(WORK)

    async def _sample(self, deployment: Deployment, began: float, console: Console) -> None:
        count = 0
        while True:
            at = time.monotonic() - began
            for name, processes in deployment.processes().items():
                self.samples.setdefault(name, []).append(sample_resources(at, processes))
            if count % 30 == 0:
                parts = ", ".join(
                    f"{name} {samples[-1].memory:.1f} MiB, {samples[-1].descriptors:.0f} fds"
                    for name, samples in self.samples.items()
                )
                console.print(f"{at / 60:5.1f} min: {parts}", highlight=False)
            count += 1
            await asyncio.sleep(INTERVAL - (time.monotonic() - began) % INTERVAL)

    async def _rest(self, deployment: Deployment, began: float) -> None:
        metrics = {
            name: f"{deployment.metrics_url}/{name}/metrics" for name in deployment.paths.names
        }
        at = time.monotonic() - began
        samples = await sample_at_rest(at, deployment.processes(), metrics, REST - 1)
        for name, sample in samples.items():
            self.at_rest.setdefault(name, []).append(sample)

    def trends(self) -> dict[str, dict[str, Trend]]:
        """Return the trend of each quantity, by part."""
        trends: dict[str, dict[str, Trend]] = {}
        for name, samples in self.samples.items():
            for quantity in TOLERANCE:
                series, since = self.at_rest.get(name, []), self.minutes * 15
                if quantity == "memory":
                    series, since = samples, self.minutes * 30
                settled = [sample for sample in series if sample.at >= since]
                if trend := trend_of(quantity, settled):
                    trends.setdefault(name, {})[quantity] = trend
        return trends

    def cores(self) -> dict[str, float]:
        """Return the share of a core that each part used."""
        return {
            name: (samples[-1].cpu - samples[0].cpu) / (samples[-1].at - samples[0].at)
            for name, samples in self.samples.items()
            if len(samples) > 1
        }

    @property
    def holds(self) -> bool:
        """Whether events were delivered without errors, and no quantity grows."""
        verdicts = [
            self.verdict(name, trend)
            for trends in self.trends().values()
            for name, trend in trends.items()
        ]
        errors = sum(self.totals[count] for count in ("lost", "duplicated", "out_of_order"))
        measured = self.totals["delivered"] and self.at_rest
        return bool(measured) and not errors and "grows" not in verdicts

    def verdict(self, name: str, trend: Trend) -> str:
        """Return the verdict on the trend of quantity `name`, or "too short"."""
        is_short = name == "memory" and self.minutes < MEMORY_MINUTES
        return "too short" if is_short else trend.verdict

    def document(self) -> dict[str, Any]:
        return {
            "minutes": self.minutes,
            "rate": self.rate,
            "clients": self.clients,
            "cuts": self.cuts,
            "totals": dict(self.totals),
            "delivered": dict(self.delivered),
            "cores": self.cores(),
            "trends": {
                part: {
                    name: {**vars(trend), "verdict": self.verdict(name, trend)}
                    for name, trend in trends.items()
                }
                for part, trends in self.trends().items()
            },
            "at_rest": {part: [vars(sample) for sample in s] for part, s in self.at_rest.items()},
            "samples": {part: [vars(sample) for sample in s] for part, s in self.samples.items()},
        }


def trend_of(quantity: str, samples: list[ResourceSample]) -> Trend | None:
    """Return the trend of a quantity; None if it was not measured."""
    series = [
        (sample.at, float(value))
        for sample in samples
        if (value := getattr(sample, quantity)) is not None
    ]
    if not series:
        return None
    mean = sum(value for _, value in series) / len(series)
    tolerance = max(TOLERANCE[quantity] * mean, LEAST[quantity])
    block = BLOCK if quantity == "memory" else ROUND / 2  # one sample at rest in each round
    return fit(series, tolerance, block)


def rows(soak: Soak) -> list[list[str]]:
    """Return the table's rows, in the order of `HEADINGS`."""
    rows = []
    for part, trends in soak.trends().items():
        for name, trend in trends.items():
            unit, digits = (" MiB", 1) if name == "memory" else (" at rest", 0)
            rows.append(
                [
                    part,
                    name,
                    f"{trend.mean:.1f}{unit}",
                    f"{trend.least:.{digits}f} … {trend.most:.{digits}f}",
                    f"{trend.slope:+.2f} ± {trend.margin:.2f}",
                    f"± {trend.tolerance:.2f}",
                    soak.verdict(name, trend),
                ]
            )
    return rows


HEADINGS = ["part", "", "mean", "least … most", "slope in an hour", "tolerance", ""]


def summary(soak: Soak) -> str:
    totals, cores = soak.totals, soak.cores()
    return (
        f"Length: {soak.minutes:g} min; events a second: {soak.rate:g}; clients at a time: "
        f"{soak.clients}, in all: {totals['visits']:,}; cut connections: {soak.cuts:,}. "
        f"Tasks: {totals['tasks']}; events: {totals['published']:,} published, "
        f"{totals['delivered']:,} delivered, "
        f"{totals['lost']} lost, {totals['duplicated']} duplicated, "
        f"{totals['out_of_order']} out of order; resets: {totals['resets']}. Of a core: "
        + ", ".join(f"{name} {share:.1%}" for name, share in cores.items())
        + "."
    )


def markdown(soak: Soak) -> str:
    lines = [summary(soak), "", markdown_row(*HEADINGS), "|---|---|--:|--:|--:|--:|---|"]
    lines += [markdown_row(*row) for row in rows(soak)]
    return "\n".join(lines) + "\n"


def show(soak: Soak, console: Console) -> None:
    table = Table("Trends", HEADINGS, text_columns=2)
    for row in rows(soak):
        table.add(*row)
    console.print(render(console, table))
    console.print(summary(soak))


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m faults.soak", description=__doc__)
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("--minutes", type=at_least(ROUND / 60), default=60, help="duration (60)")
    arguments.add_argument("--rate", type=at_least(0.01), default=10, help="events a second (10)")
    arguments.add_argument(
        "--clients", type=at_least(1), default=40, help="simultaneous clients (40)"
    )
    arguments.add_argument(
        "--leak", type=int, default=0, metavar="N", help="leak a descriptor every N connections"
    )
    arguments.add_argument(
        "--directory", type=Path, help="directory of the deployment (default: a temporary one)"
    )
    arguments.add_argument(
        "--json", type=output_file, metavar="FILE", help="write all samples to FILE"
    )
    arguments.add_argument(
        "--markdown", type=output_file, metavar="FILE", help="write the table to FILE"
    )
    return arguments


def leaking(every: int) -> dict[str, str]:
    """Return an environment in which a server leaks a descriptor every `every` connections.

    It selects asyncio's event loop: uvloop does not accept connections by Python's `socket`.
    """
    leak = {"PYTHONPATH": str(ROOT / "faults" / "leak"), "REALTIME_LEAK": str(every)}
    return {**leak, "UVICORN_LOOP": "asyncio"}


def main() -> int:
    options = parser().parse_args()
    console = Console(soft_wrap=True)
    soak = Soak(options.minutes, options.rate, int(options.clients))
    with tempfile.TemporaryDirectory(prefix="realtime-soak-") as temporary:
        env = {"IDEMPOTENCY_EXPIRY": str(round(options.minutes * KEYS))}
        if options.leak:
            env |= leaking(options.leak)
        with ExitStack() as stack:
            with progress(console) as show_step:
                show_step("Starting the deployment …")
                deployment = stack.enter_context(
                    Deployment(options.directory or Path(temporary), env=env)
                )
            finished = False
            try:
                asyncio.run(soak.run(deployment, console))
                finished = True
            except KeyboardInterrupt:
                console.print("Interrupted. The results so far:")
        errors = deployment.output().count("Traceback")
    show(soak, console)
    console.print(f"Tracebacks in the processes' output: {errors}.")
    if options.json:
        document = provenance("faults.soak") | soak.document()
        options.json.write_text(json.dumps(document) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(soak))
    return 0 if finished and soak.holds else 1


if __name__ == "__main__":
    sys.exit(main())
