"""What a publish costs Redis: four servers, and 10 or 1,000 connections.

    python -m benchmarks.redis_cost [--json FILE]

Half of the connections are WebSockets, half Server-Sent Events, spread evenly over the servers.
The publishes go to the servers in turn. What the servers ask of Redis without any publish (their
regular looks, their pings) is counted beforehand for as long a time, and taken off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.framing import FRAMINGS, text_of
from benchmarks.machine import allow_open_files
from benchmarks.publishers import HttpPublisher, http_publisher
from benchmarks.servers import OURS, Server, running
from benchmarks.subscribers import Audience, audience
from faults.shape import Redis
from realtime_demo.comparison.host import environment
from realtime_demo.production.layout import Layout
from transports.registry import BY_NAME

SERVERS = 4
CONNECTIONS = (10, 1_000)
RATE = 20.0  # events a second, of all publishers together
SECONDS = 15.0  # of publishing, and of silence before it
ROOM = "cost"
FOLLOWED = ("websocket", "sse")


@dataclass(frozen=True)
class Cost:
    """Of `publishes` to `connections`: Redis' commands and CPU seconds, with what idling takes."""

    connections: int
    publishes: int
    delivered: int
    is_whole: bool
    commands: dict[str, int]
    idle: dict[str, int]
    cpu: float
    idle_cpu: float

    @property
    def by_command(self) -> dict[str, float]:
        """Commands of each kind for a publish."""
        names = sorted(self.commands, key=lambda name: -self.commands[name])
        each = {n: (self.commands[n] - self.idle.get(n, 0)) / self.publishes for n in names}
        return {name: count for name, count in each.items() if round(count, 2)}

    @property
    def commands_each(self) -> float:
        return sum(self.by_command.values())

    @property
    def cpu_each(self) -> float:
        """Milliseconds for a publish."""
        return (self.cpu - self.idle_cpu) / self.publishes * 1000


def commands(redis: Redis) -> Counter[str]:
    """How often each command was called, those within a script included."""
    stats: dict[str, Any] = redis.client.info("commandstats")
    own = ("cmdstat_info", "cmdstat_ping", "cmdstat_client|", "cmdstat_command|")
    return Counter(
        {
            name.removeprefix("cmdstat_"): int(values["calls"])
            for name, values in stats.items()
            if not name.startswith(own)
        }
    )


def cpu(redis: Redis) -> float:
    """CPU seconds of Redis so far, user and system."""
    info: dict[str, Any] = redis.client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


@asynccontextmanager
async def listening(servers: list[Server], count: int) -> AsyncIterator[list[Audience]]:
    """`count` subscribers, opened: by turns at each server, and by turns of each technique."""
    async with AsyncExitStack() as stack:
        found = []
        places = [(server, name) for name in FOLLOWED for server in servers]
        for number, (server, name) in enumerate(places):
            share = count // len(places) + (number < count % len(places))
            path = BY_NAME[name].url_path(ROOM)
            framing = FRAMINGS[BY_NAME[name].framing](path, server.host)
            found.append(await stack.enter_async_context(audience(framing, server.port, share)))
        yield found


async def publish(publishers: list[HttpPublisher], count: int) -> None:
    """`count` events, by one publisher after the other."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        await asyncio.sleep(start + number / RATE - loop.time())
        await publishers[number % len(publishers)].publish()


def numbered(first: int) -> Callable[[int], str]:
    """The texts of a publisher that has every fourth event, for four servers, from `first` on."""
    return lambda own: text_of(first + SERVERS * own)


async def measure(redis: Redis, servers: list[Server], connections: int) -> Cost:
    async with listening(servers, connections) as audiences, AsyncExitStack() as stack:
        publishers = [
            await stack.enter_async_context(http_publisher(server.port, ROOM, numbered(first)))
            for first, server in enumerate(servers)
        ]
        for server in servers:
            await server.settled()
        before, cpu_before = commands(redis), cpu(redis)
        await asyncio.sleep(SECONDS)
        idle, idle_cpu = commands(redis) - before, cpu(redis) - cpu_before
        before, cpu_before, began = commands(redis), cpu(redis), time.monotonic()
        count = int(RATE * SECONDS)
        await publish(publishers, count)
        for each in audiences:
            await each.complete(count)
        for publisher in publishers:
            await publisher.accepted()
        await asyncio.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
        used, used_cpu = commands(redis) - before, cpu(redis) - cpu_before
        return Cost(
            connections,
            count,
            sum(each.tally.count for each in audiences),
            # In which order events of four publishers are taken is nobody's promise.
            all(
                not (each.ledger(count).lost or each.ledger(count).doubled or each.failures)
                for each in audiences
            ),
            dict(used),
            dict(idle),
            used_cpu,
            idle_cpu,
        )


async def run() -> list[Cost]:
    with tempfile.TemporaryDirectory() as directory:
        layout = Layout(Path(directory))
        layout.make_directories()
        redis = Redis(layout)
        try:
            redis.start()
            os.environ["REDIS_URL"] = redis.url
            costs = []
            for connections in CONNECTIONS:
                redis.client.flushall()
                async with AsyncExitStack() as stack:
                    servers = [
                        await stack.enter_async_context(running(OURS)) for _ in range(SERVERS)
                    ]
                    costs.append(await measure(redis, servers, connections))
            return costs
        finally:
            redis.close()


def show(costs: list[Cost], console: Console) -> None:
    table = Table("", title=f"A publish, at {SERVERS} servers: what it costs Redis")
    for cost in costs:
        table.add_column(f"{cost.connections:,} connections", justify="right")
    table.add_row("publishes", *(f"{cost.publishes:,}" for cost in costs))
    table.add_row("delivered", *(f"{cost.delivered:,}" for cost in costs))
    for name in dict.fromkeys(name for cost in costs for name in cost.by_command):
        table.add_row(name, *(f"{cost.by_command.get(name, 0):.2f}" for cost in costs))
    table.add_row("[bold]commands", *(f"[bold]{cost.commands_each:.1f}" for cost in costs))
    table.add_row("[bold]CPU, ms", *(f"[bold]{cost.cpu_each:.3f}" for cost in costs))
    console.print(table)
    for cost in costs:
        if not cost.is_whole:
            console.print(f"[red]{cost.connections} connections: something was lost or doubled")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.redis_cost", description=__doc__)
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("--json", type=Path, metavar="FILE")
    options = arguments.parse_args()
    allow_open_files(4_096)
    costs = asyncio.run(run())
    show(costs, Console())
    if options.json:
        document = {
            "command": ["python", "-m", "benchmarks.redis_cost", *sys.argv[1:]],
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "environment": environment(),
            "servers": SERVERS,
            "costs": [
                {**asdict(each), "commands_each": each.commands_each, "cpu_ms_each": each.cpu_each}
                for each in costs
            ],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return int(not all(each.is_whole for each in costs))


if __name__ == "__main__":
    sys.exit(main())
