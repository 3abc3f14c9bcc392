"""The soak: an hour of a steady feed, clients coming and going, and whether anything grows.

    python -m faults.soak [--minutes 60] [--rate 10] [--clients 40] [--json FILE] [--markdown FILE]

The production shape, with clients of every technique, half of them through a tap that cuts all of
its connections every now and then. Every ten seconds each process's memory, descriptors, threads
and tasks are read. Each series' slope over the second half of the time is then said with its
95 % interval: flat is what lies within the tolerance with the whole of it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import ssl
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from realtime_demo.comparison.host import cpu_seconds, environment
from realtime_demo.comparison.tap import Tap
from transports.cursors import Cursor
from transports.techniques import TECHNIQUES

from .audience import Follower, trust
from .flatness import Trend, trend
from .ledger import Ledger
from .publisher import Publisher, place
from .shape import MIB, Shape

INTERVAL = 10.0  # seconds between samples
STAY = 30.0  # seconds a client stays, on average
CUT = 20.0  # seconds between cuts of all that goes through the tap
WORK = 60.0  # seconds between tasks for the worker
ROOM = "soak"
# In an hour: of memory 3 % of its mean, of what is counted 5 %; 1 MiB, or 1.5, where that is more.
TOLERANCE = {"memory": 0.03, "descriptors": 0.05, "threads": 0.05, "tasks": 0.05}
LEAST = {"memory": 1.0, "descriptors": 1.5, "threads": 1.5, "tasks": 1.5}
_TASKS = re.compile(r"^realtime_tasks (\S+)$", re.MULTILINE)


@dataclass
class Sample:
    """One look at a part, all of its processes together."""

    at: float  # seconds since the beginning
    memory: float  # resident, in MiB
    descriptors: float
    threads: float
    cpu: float  # seconds so far
    tasks: float | None = None


@dataclass
class Soak:
    minutes: float
    rate: float
    clients: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    cuts: int = 0

    async def run(self, shape: Shape, console: Console) -> None:
        trust(shape.layout.certificate)
        tls = ssl.create_default_context(cafile=str(shape.layout.certificate))
        async with (
            httpx.AsyncClient(base_url=shape.url, verify=tls, timeout=30) as http,
            Tap("127.0.0.1", shape.layout.port) as tap,
        ):
            since = await place(http, ROOM)
            publisher = Publisher(shape.url, ROOM, self.rate, tls, keep=False)
            urls = [shape.url, f"https://127.0.0.1:{tap.port}"]
            began = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.minutes * 60), asyncio.TaskGroup() as group:
                    group.create_task(publisher.run())
                    group.create_task(self._cut(tap))
                    group.create_task(self._give_work(http))
                    group.create_task(self._sample(shape, began, console))
                    for number in range(self.clients):
                        technique = TECHNIQUES[number % len(TECHNIQUES)]
                        url = urls[number // len(TECHNIQUES) % 2]
                        group.create_task(self._visit(technique, url, since))
            self.totals["published"] = publisher.answered
            self.totals["refused"] = publisher.refused

    async def _visit(self, technique: Any, url: str, since: Cursor) -> None:
        """Clients one after another, each of which goes on where the one before it was."""
        while True:
            follower = Follower(technique, url, ROOM, since, keep=False)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.expovariate(1 / STAY)):
                        await follower.follow()
            finally:
                self._account(technique.name, follower.ledger)
            since = follower.position

    def _account(self, name: str, ledger: Ledger) -> None:
        ledger.close(ledger.position)  # holes are losses now
        self.delivered[name] += ledger.delivered
        self.totals["visits"] += 1
        for each in ("delivered", "lost", "doubled", "reordered", "resets"):
            self.totals[each] += getattr(ledger, each)

    async def _cut(self, tap: Tap) -> None:
        while True:
            await asyncio.sleep(CUT)
            self.cuts += tap.cut()

    async def _give_work(self, http: httpx.AsyncClient) -> None:
        """Something for the worker, in a room of its own."""
        while True:
            await asyncio.sleep(WORK)
            document = {"kind": "conversation", "arguments": {"room": "work", "lines": 20}}
            with contextlib.suppress(httpx.TransportError):
                answer = await http.post("/tasks/", json=document)
                self.totals["tasks"] += answer.status_code == 202

    async def _sample(self, shape: Shape, began: float, console: Console) -> None:
        async with httpx.AsyncClient(base_url=shape.metrics_url, timeout=10) as metrics:
            count = 0
            while True:
                at = time.monotonic() - began
                for name, processes in shape.processes().items():
                    sample = look(at, processes)
                    if name in shape.layout.names:
                        with contextlib.suppress(httpx.TransportError):
                            text = (await metrics.get(f"/{name}/metrics")).text
                            if found := _TASKS.search(text):
                                sample.tasks = float(found[1])
                    self.samples.setdefault(name, []).append(sample)
                if count % 30 == 0:
                    said = ", ".join(
                        f"{name} {samples[-1].memory:.1f} MiB, {samples[-1].descriptors:.0f} fds"
                        for name, samples in self.samples.items()
                    )
                    console.print(f"{at / 60:5.1f} min: {said}", highlight=False)
                count += 1
                await asyncio.sleep(INTERVAL - (time.monotonic() - began) % INTERVAL)

    def trends(self) -> dict[str, dict[str, Trend]]:
        """Of each part and quantity, over the second half."""
        half = self.minutes * 30
        found: dict[str, dict[str, Trend]] = {}
        for name, samples in self.samples.items():
            for quantity, share in TOLERANCE.items():
                series = [
                    (sample.at, float(value))
                    for sample in samples
                    if sample.at >= half and (value := getattr(sample, quantity)) is not None
                ]
                if series:
                    mean = sum(value for _, value in series) / len(series)
                    tolerance = max(share * mean, LEAST[quantity])
                    found.setdefault(name, {})[quantity] = trend(series, tolerance)
        return found

    def cores(self) -> dict[str, float]:
        """The share of a core that each part has had."""
        return {
            name: (samples[-1].cpu - samples[0].cpu) / (samples[-1].at - samples[0].at)
            for name, samples in self.samples.items()
            if len(samples) > 1
        }

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
                name: {
                    quantity: {**vars(each), "verdict": each.verdict}
                    for quantity, each in quantities.items()
                }
                for name, quantities in self.trends().items()
            },
            "samples": {name: [vars(each) for each in s] for name, s in self.samples.items()},
        }


def look(at: float, processes: list[psutil.Process]) -> Sample:
    sample = Sample(at, 0, 0, 0, 0)
    for process in processes:
        with contextlib.suppress(psutil.Error), process.oneshot():
            sample.memory += process.memory_info().rss / MIB
            sample.descriptors += process.num_fds()
            sample.threads += process.num_threads()
            sample.cpu += cpu_seconds(process.pid) or sum(process.cpu_times()[:2])
    return sample


def rows(soak: Soak) -> list[list[str]]:
    """Part, quantity, at the end of the first half, at the end, slope ± margin, verdict."""
    made = []
    for name, quantities in soak.trends().items():
        for quantity, found in quantities.items():
            unit = " MiB" if quantity == "memory" else ""
            made.append(
                [
                    name,
                    quantity,
                    f"{found.mean:.1f}{unit}",
                    f"{found.slope:+.2f} ± {found.margin:.2f}{unit}",
                    f"± {found.tolerance:.2f}{unit}",
                    found.verdict,
                ]
            )
    return made


HEADINGS = ["part", "", "mean", "slope in an hour", "tolerance", ""]


def summary(soak: Soak) -> str:
    totals, cores = soak.totals, soak.cores()
    return (
        f"{soak.minutes:g} minutes, {soak.rate:g} events a second, {soak.clients} clients at a "
        f"time, {totals['visits']:,} in all, {soak.cuts:,} connections cut. "
        f"{totals['tasks']} tasks, {totals['published']:,} published, "
        f"{totals['delivered']:,} delivered, "
        f"{totals['lost']} lost, {totals['doubled']} doubled, {totals['reordered']} reordered, "
        f"{totals['resets']} resets. Of a core: "
        + ", ".join(f"{name} {share:.1%}" for name, share in cores.items())
        + "."
    )


def markdown(soak: Soak) -> str:
    lines = [summary(soak), "", "| " + " | ".join(HEADINGS) + " |", "|---|---|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(soak)]
    return "\n".join(lines) + "\n"


def show(soak: Soak, console: Console) -> None:
    table = Table(*HEADINGS, title="Over the second half")
    for row in rows(soak):
        table.add_row(*row)
    console.print(table)
    console.print(summary(soak))


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m faults.soak", description=__doc__)
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--rate", type=float, default=10, help="events a second")
    arguments.add_argument("--clients", type=int, default=40, help="at a time")
    arguments.add_argument("--directory", type=Path, help="of the shape; else a temporary one")
    arguments.add_argument("--json", type=Path, help="write every sample there")
    arguments.add_argument("--markdown", type=Path, help="write the table there")
    return arguments


def main() -> int:
    options = parser().parse_args()
    console = Console(soft_wrap=True)
    soak = Soak(options.minutes, options.rate, options.clients)
    with tempfile.TemporaryDirectory(prefix="realtime-soak-") as temporary:
        with Shape(options.directory or Path(temporary), env={"DEMO": "1"}) as shape:
            try:
                asyncio.run(soak.run(shape, console))
            except KeyboardInterrupt:
                console.print("Interrupted: what there is so far.")
        errors = shape.output().count("Traceback")
    show(soak, console)
    console.print(f"Tracebacks in the processes' output: {errors}.")
    if options.json:
        document = {
            "command": ["python", "-m", "faults.soak", *sys.argv[1:]],
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "environment": environment(),
            **soak.document(),
        }
        options.json.write_text(json.dumps(document) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(soak))
    verdicts = [each.verdict for part in soak.trends().values() for each in part.values()]
    broken = soak.totals["lost"] + soak.totals["doubled"] + soak.totals["reordered"]
    return 1 if broken or "grows" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
