"""The soak: an hour of a steady feed, clients coming and going, and whether anything grows.

    python -m faults.soak [--minutes 60] [--rate 10] [--clients 40] [--json FILE] [--markdown FILE]

A production, with clients of every technique, half of them through a tap that cuts all of its
connections from time to time. Twenty times (or every half a minute, where that is less) all clients
leave, and the descriptors, threads and tasks that are still open are counted: at rest they do not
depend on the clients, so what was not released shows. Memory is read every ten seconds. Each
series' slope is reported with its 95 % interval, for memory over the second half of the time, for
the rest without the first quarter: a series is flat if the whole interval is within the tolerance.

`--leak 50` lets each server keep a descriptor for every fiftieth connection, which has to be found.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from realtime_demo.comparison.host import environment
from realtime_demo.tap.proxy import Tap
from transports.events import Cursor
from transports.registry import TECHNIQUES

from .arguments import at_least
from .clients import Follower, trust
from .deployment import ROOT, Deployment
from .ledger import Ledger
from .publisher import Publisher, place
from .readings import Sample, look, rest
from .trend import BLOCK, Trend, trend

INTERVAL = 10.0  # seconds between samples
ROUNDS, ROUND = 20, 30.0  # times that everyone leaves; the least time between, in seconds
# A round ends with this many seconds in which nginx lets go of its connections to the servers
# (`keepalive_timeout 3s`), and this many in which a look is taken: of any five, the question
# whether all is well (`production.readiness`) leaves two without a connection.
LET_GO, LOOK = 4.0, 6.0
STAY = 30.0  # seconds a client stays, on average
CUT = 20.0  # seconds between cuts of all that goes through the tap
WORK = 60.0  # seconds between tasks for the worker
# Seconds, for each minute of the soak, that Redis remembers the key of a publish: of an hour ten
# minutes. With the hour that is the default it would still be filling up at the end.
KEYS = 10
ROOM = "soak"
# In an hour: of memory 3 % of its mean, of what is counted 5 %; 1 MiB, or 1.5, where that is more.
TOLERANCE = {"memory": 0.03, "descriptors": 0.05, "threads": 0.05, "tasks": 0.05}
LEAST = {"memory": 1.0, "descriptors": 1.5, "threads": 1.5, "tasks": 1.5}


@dataclass(frozen=True)
class Finding:
    """A quantity's trend, and the least and the most that it was."""

    trend: Trend
    least: float
    most: float


@dataclass
class Soak:
    minutes: float
    rate: float
    clients: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    at_rest: dict[str, list[Sample]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    _staff: dict[str, str] = field(default_factory=dict)  # the headers of who may start tasks
    _places: dict[int, Cursor] = field(default_factory=dict)  # where each client goes on

    async def run(self, deployment: Deployment, console: Console) -> None:
        trust(deployment.paths.certificate)
        tls = ssl.create_default_context(cafile=str(deployment.paths.certificate))
        async with httpx.AsyncClient(base_url=deployment.url, verify=tls, timeout=30) as http:
            since = await place(http, ROOM)
        async with Tap("127.0.0.1", deployment.paths.port) as tap:
            self._places = dict.fromkeys(range(self.clients), since)
            self._staff = await asyncio.to_thread(deployment.staff)
            publisher = Publisher(deployment.url, ROOM, self.rate, tls, keep=False)
            began = time.monotonic()
            seconds = self.minutes * 60
            step = max(ROUND, seconds / ROUNDS)
            sampling = asyncio.create_task(self._sample(deployment, began, console))
            try:
                for number in range(1, int(seconds / step) + 1):
                    end = began + number * step
                    await self._round(deployment, tap, publisher, tls, end - LET_GO - LOOK)
                    await asyncio.sleep(LET_GO)
                    await self._rest(deployment, began)
            finally:
                sampling.cancel()
                await asyncio.wait({sampling})
                self.totals["published"] = publisher.answered
                self.totals["refused"] = publisher.refused
            if not sampling.cancelled():
                sampling.result()  # what went wrong with it

    async def _round(
        self,
        deployment: Deployment,
        tap: Tap,
        publisher: Publisher,
        tls: ssl.SSLContext,
        end: float,
    ) -> None:
        """Everyone is there until `end`, on the monotonic clock."""
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
        """Clients one after another, each of which goes on where the one before it was."""
        while True:
            follower = Follower(technique, url, ROOM, self._places[number], keep=False)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(random.expovariate(1 / STAY)):
                        await follower.follow()
            finally:
                self._account(technique.name, follower.ledger)
                self._places[number] = follower.position

    def _account(self, name: str, ledger: Ledger) -> None:
        ledger.close(ledger.position)  # holes are losses now
        self.delivered[name] += ledger.delivered
        self.totals["visits"] += 1
        for each in ("delivered", "lost", "duplicated", "out_of_order", "resets"):
            self.totals[each] += getattr(ledger, each)

    async def _cut(self, tap: Tap) -> None:
        await asyncio.sleep(CUT / 2)
        while True:
            self.cuts += tap.cut()
            await asyncio.sleep(CUT)

    async def _give_work(self, url: str, tls: ssl.SSLContext) -> None:
        """Something for the worker, in a room of its own."""
        while True:
            document = {"kind": "conversation", "arguments": {"room": "work", "lines": 20}}
            with contextlib.suppress(httpx.TransportError):
                async with httpx.AsyncClient(base_url=url, verify=tls, timeout=30) as http:
                    answer = await http.post("/tasks/", json=document, headers=self._staff)
                    self.totals["tasks"] += answer.status_code == 202
            await asyncio.sleep(WORK)

    async def _sample(self, deployment: Deployment, began: float, console: Console) -> None:
        count = 0
        while True:
            at = time.monotonic() - began
            for name, processes in deployment.processes().items():
                self.samples.setdefault(name, []).append(look(at, processes))
            if count % 30 == 0:
                said = ", ".join(
                    f"{name} {samples[-1].memory:.1f} MiB, {samples[-1].descriptors:.0f} fds"
                    for name, samples in self.samples.items()
                )
                console.print(f"{at / 60:5.1f} min: {said}", highlight=False)
            count += 1
            await asyncio.sleep(INTERVAL - (time.monotonic() - began) % INTERVAL)

    async def _rest(self, deployment: Deployment, began: float) -> None:
        metrics = {
            name: f"{deployment.metrics_url}/{name}/metrics" for name in deployment.paths.names
        }
        at = time.monotonic() - began
        for name, sample in (await rest(at, deployment.processes(), metrics, LOOK - 1)).items():
            self.at_rest.setdefault(name, []).append(sample)

    def findings(self) -> dict[str, dict[str, Finding]]:
        """Of each part and quantity."""
        found: dict[str, dict[str, Finding]] = {}
        for name, samples in self.samples.items():
            for quantity in TOLERANCE:
                seen, since = self.at_rest.get(name, []), self.minutes * 15
                if quantity == "memory":
                    seen, since = samples, self.minutes * 30
                if one := finding(quantity, [each for each in seen if each.at >= since]):
                    found.setdefault(name, {})[quantity] = one
        return found

    def cores(self) -> dict[str, float]:
        """The share of a core that each part has had."""
        return {
            name: (samples[-1].cpu - samples[0].cpu) / (samples[-1].at - samples[0].at)
            for name, samples in self.samples.items()
            if len(samples) > 1
        }

    @property
    def holds(self) -> bool:
        """Something was delivered and counted, all of it was right, and nothing grows."""
        verdicts = [one.trend.verdict for part in self.findings().values() for one in part.values()]
        broken = sum(self.totals[each] for each in ("lost", "duplicated", "out_of_order"))
        seen = self.totals["delivered"] and self.at_rest
        return bool(seen) and not broken and "grows" not in verdicts

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
                    quantity: {
                        **vars(each.trend),
                        "verdict": each.trend.verdict,
                        "least": each.least,
                        "most": each.most,
                    }
                    for quantity, each in quantities.items()
                }
                for name, quantities in self.findings().items()
            },
            "at_rest": {name: [vars(each) for each in s] for name, s in self.at_rest.items()},
            "samples": {name: [vars(each) for each in s] for name, s in self.samples.items()},
        }


def finding(quantity: str, samples: list[Sample]) -> Finding | None:
    """How a part's quantity went on; None where nobody has seen it."""
    series = [
        (sample.at, float(value))
        for sample in samples
        if (value := getattr(sample, quantity)) is not None
    ]
    if not series:
        return None
    values = [value for _, value in series]
    tolerance = max(TOLERANCE[quantity] * sum(values) / len(values), LEAST[quantity])
    block = BLOCK if quantity == "memory" else ROUND / 2  # those at rest are far apart
    return Finding(trend(series, tolerance, block), min(values), max(values))


def rows(soak: Soak) -> list[list[str]]:
    """Part, quantity, mean, least and most, slope ± margin, tolerance, verdict."""
    made = []
    for name, quantities in soak.findings().items():
        for quantity, one in quantities.items():
            found = one.trend
            unit, digits = (" MiB", 1) if quantity == "memory" else (" at rest", 0)
            made.append(
                [
                    name,
                    quantity,
                    f"{found.mean:.1f}{unit}",
                    f"{one.least:.{digits}f} … {one.most:.{digits}f}",
                    f"{found.slope:+.2f} ± {found.margin:.2f}",
                    f"± {found.tolerance:.2f}",
                    found.verdict,
                ]
            )
    return made


HEADINGS = ["part", "", "mean", "least … most", "slope in an hour", "tolerance", ""]


def summary(soak: Soak) -> str:
    totals, cores = soak.totals, soak.cores()
    return (
        f"{soak.minutes:g} minutes, {soak.rate:g} events a second, {soak.clients} clients at a "
        f"time, {totals['visits']:,} in all, {soak.cuts:,} connections cut. "
        f"{totals['tasks']} tasks, {totals['published']:,} published, "
        f"{totals['delivered']:,} delivered, "
        f"{totals['lost']} lost, {totals['duplicated']} duplicated, "
        f"{totals['out_of_order']} out of order, {totals['resets']} resets. Of a core: "
        + ", ".join(f"{name} {share:.1%}" for name, share in cores.items())
        + "."
    )


def markdown(soak: Soak) -> str:
    lines = [summary(soak), "", "| " + " | ".join(HEADINGS) + " |", "|---|---|--:|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows(soak)]
    return "\n".join(lines) + "\n"


def show(soak: Soak, console: Console) -> None:
    table = Table(*HEADINGS, title="What grows")
    for row in rows(soak):
        table.add_row(*row)
    console.print(table)
    console.print(summary(soak))


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog="python -m faults.soak", description=__doc__)
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("--minutes", type=at_least(ROUND / 60), default=60)
    arguments.add_argument("--rate", type=at_least(0.01), default=10, help="events a second")
    arguments.add_argument("--clients", type=at_least(1), default=40, help="at a time")
    arguments.add_argument("--leak", type=int, default=0, metavar="N", help="every Nth connection")
    arguments.add_argument("--directory", type=Path, help="of the deployment; else a temporary one")
    arguments.add_argument("--json", type=Path, help="write every sample there")
    arguments.add_argument("--markdown", type=Path, help="write the table there")
    return arguments


def leaking(every: int) -> dict[str, str]:
    """Return the environment in which a server keeps a descriptor for each `every`th connection.

    On asyncio's own loop: uvloop does not accept connections by Python's `socket`.
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
        with Deployment(options.directory or Path(temporary), env=env) as deployment:
            whole = False
            try:
                asyncio.run(soak.run(deployment, console))
                whole = True
            except KeyboardInterrupt:
                console.print("Interrupted: what there is so far.")
        errors = deployment.output().count("Traceback")
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
    return 0 if whole and soak.holds else 1


if __name__ == "__main__":
    sys.exit(main())
