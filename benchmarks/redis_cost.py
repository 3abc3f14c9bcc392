"""The cost of a publish to Redis, with four servers and 10 or 1,000 connections.

    python -m benchmarks.redis_cost [--json FILE] [--publish]

Half of the connections are WebSockets, half Server-Sent Events, spread evenly over the servers.
The publishes go to the servers in turn. The commands that the servers send without any publish
are counted before, for as long a time, and subtracted.

Between rare publishes the other processes evict Redis from the cores' caches, so that the CPU of
a publish is mostly that of loading its code and data again. A higher rate is therefore measured
too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rich.console import Console

from benchmarks import publishing
from benchmarks.framing import FRAMINGS, text_of
from benchmarks.publishers import HttpPublisher, at_rate
from benchmarks.servers import OURS, Server, running
from benchmarks.subscribers import SubscriberGroup, subscriber_group
from realtime_demo.asgi_servers import raise_open_files
from realtime_demo.command_line import output_file
from realtime_demo.comparison.host import environment
from realtime_demo.comparison.output.tables import Table
from realtime_demo.comparison.output.terminal import render
from realtime_demo.production import programs
from realtime_demo.progress import progress
from transports.registry import BY_NAME

SERVERS = 4
START_ATTEMPTS = 200  # to reach redis-server, every 50 ms
RATE = 20.0  # events a second, of all publishers together
LOADS = ((10, RATE), (1_000, RATE), (10, 50 * RATE))  # connections, and events a second
SECONDS = 30.0  # of publishing, and of idle servers before it
ROOM = "cost"
FOLLOWED = ("websocket", "sse")


@dataclass(frozen=True)
class RedisCost:
    """Redis' commands and CPU seconds for `publishes` to `connections`, and without publishes."""

    connections: int
    publishes: int
    delivered: int
    is_whole: bool
    commands: dict[str, int]
    idle: dict[str, int]
    cpu: float
    idle_cpu: float
    seconds: float = SECONDS  # of publishing, and of no publishing
    rate: float = RATE

    @property
    def load(self) -> str:
        connections = f"{self.connections:,} connections"
        return connections if self.rate == RATE else f"{self.rate:,.0f}/s, {connections}"

    @property
    def by_command(self) -> dict[str, float]:
        """Commands of each kind per publish."""
        names = sorted(self.commands, key=lambda name: -self.commands[name])
        rates = {n: (self.commands[n] - self.idle.get(n, 0)) / self.publishes for n in names}
        return {name: count for name, count in rates.items() if round(count, 2)}

    @property
    def commands_each(self) -> float:
        return sum(self.by_command.values())

    @property
    def cpu_each(self) -> float:
        """CPU milliseconds per publish."""
        return (self.cpu - self.idle_cpu) / self.publishes * 1000


def commands(client: redis.Redis) -> Counter[str]:
    """Return how often each command was called, including calls within scripts."""
    stats: dict[str, Any] = client.info("commandstats")
    of_this_client = ("cmdstat_info", "cmdstat_ping", "cmdstat_client|", "cmdstat_command|")
    return Counter(
        {
            name.removeprefix("cmdstat_"): int(values["calls"])
            for name, values in stats.items()
            if not name.startswith(of_this_client)
        }
    )


def cpu(client: redis.Redis) -> float:
    """Return Redis' CPU seconds so far, user and system."""
    info: dict[str, Any] = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


@asynccontextmanager
async def listening(servers: list[Server], count: int) -> AsyncIterator[list[SubscriberGroup]]:
    """Open `count` subscribers, spread evenly over the servers and techniques."""
    async with AsyncExitStack() as stack:
        groups = []
        places = [(server, name) for name in FOLLOWED for server in servers]
        for number, (server, name) in enumerate(places):
            share = count // len(places) + (number < count % len(places))
            path = BY_NAME[name].url_path(ROOM)
            framing = FRAMINGS[BY_NAME[name].framing](path, server.host)
            groups.append(
                await stack.enter_async_context(subscriber_group(framing, server.port, share))
            )
        yield groups


def numbered(first: int) -> Callable[[int], str]:
    """Number a publisher's events: every fourth, as there are four publishers, from `first`."""
    return lambda number: text_of(first + SERVERS * number)


async def measure(
    client: redis.Redis, servers: list[Server], connections: int, rate: float
) -> RedisCost:
    async with listening(servers, connections) as groups, AsyncExitStack() as stack:
        for server in servers:
            await server.settled()
        before, cpu_before = commands(client), cpu(client)
        await asyncio.sleep(SECONDS)
        idle, idle_cpu = commands(client) - before, cpu(client) - cpu_before
        # Only now: servers close idle connections.
        publishers = [
            await stack.enter_async_context(HttpPublisher(server.port, ROOM, numbered(first)))
            for first, server in enumerate(servers)
        ]
        before, cpu_before, began = commands(client), cpu(client), time.monotonic()
        count = int(rate * SECONDS)
        await at_rate(count, rate, *publishers)
        for publisher in publishers:
            await publisher.accepted()
        for group in groups:
            await group.complete(count)
        await asyncio.sleep(max(0.0, SECONDS - (time.monotonic() - began)))
        used, used_cpu = commands(client) - before, cpu(client) - cpu_before
        return RedisCost(
            connections,
            count,
            sum(group.tally.count for group in groups),
            # The order of events from four publishers is not defined.
            all(
                not (group.ledger(count).lost or group.ledger(count).duplicated or group.failures)
                for group in groups
            ),
            dict(used),
            dict(idle),
            used_cpu,
            idle_cpu,
            rate=rate,
        )


@contextmanager
def redis_server() -> Iterator[redis.Redis]:
    """Start a redis-server with an append-only file for the block; yield a client of it."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/redis.sock"
        arguments = ["--port", "0", "--unixsocket", path, "--dir", directory, "--appendonly", "yes"]
        process = subprocess.Popen(
            [programs.redis_server(), *arguments, "--save", ""], stdout=subprocess.DEVNULL
        )
        try:
            retry = Retry(ConstantBackoff(0.05), START_ATTEMPTS)
            with redis.Redis(unix_socket_path=path, retry=retry) as client:
                client.ping()
                yield client
        finally:
            process.terminate()
            process.wait()


async def run() -> list[RedisCost]:
    costs = []
    with redis_server() as client:
        path = client.connection_pool.connection_kwargs["path"]
        os.environ["REDIS_URL"] = f"unix://{path}?db=0"
        for connections, rate in LOADS:
            client.flushall()
            async with AsyncExitStack() as stack:
                servers = [
                    await stack.enter_async_context(running(OURS["uvicorn"]))
                    for _ in range(SERVERS)
                ]
                costs.append(await measure(client, servers, connections, rate))
    return costs


def rows(costs: list[RedisCost]) -> list[tuple[str, ...]]:
    """Return the table's rows of strings, the head first."""
    names = dict.fromkeys(name for cost in costs for name in cost.by_command)
    return [
        ("A publish", *(cost.load for cost in costs)),
        ("publishes", *(f"{cost.publishes:,}" for cost in costs)),
        ("delivered", *(f"{cost.delivered:,}" for cost in costs)),
        *((name, *(f"{cost.by_command.get(name, 0):.2f}" for cost in costs)) for name in names),
        ("commands of Redis", *(f"{cost.commands_each:.1f}" for cost in costs)),
        ("CPU of Redis, ms", *(f"{cost.cpu_each:.3f}" for cost in costs)),
        (
            "commands a second without publishes",
            *(f"{sum(cost.idle.values()) / cost.seconds:.1f}" for cost in costs),
        ),
    ]


def show(costs: list[RedisCost], console: Console) -> None:
    head, *body = rows(costs)
    table = Table(f"The cost of a publish to Redis, with {SERVERS} servers", head)
    for row in body:
        table.add(*row)
    console.print(render(console, table))
    for cost in costs:
        if not cost.is_whole:
            console.print(f"[red]{cost.load}: events were lost or duplicated")


def part(measured: dict[str, Any]) -> str:
    """Return the part of the document that shows `measured`."""
    names = {each.name for each in fields(RedisCost)}
    records = [{k: v for k, v in cost.items() if k in names} for cost in measured["costs"]]
    head, *body = rows([RedisCost(**record) for record in records])
    return f"{publishing.provenance(measured)}\n{publishing.markdown(head, body)}"


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.redis_cost", description=__doc__)
    arguments.formatter_class = argparse.RawDescriptionHelpFormatter
    arguments.add_argument("--json", type=output_file, metavar="FILE")
    arguments.add_argument(
        "--publish", action="store_true", help="write docs/measurements and docs/benchmarks.md"
    )
    options = arguments.parse_args()
    raise_open_files(4_096)
    machine = environment()
    console = Console()
    with progress(console) as show_step:
        show_step(f"Publishing to {SERVERS} servers over one Redis …")
        costs = asyncio.run(run())
    show(costs, console)
    records = [
        {**asdict(each), "commands_each": each.commands_each, "cpu_ms_each": each.cpu_each}
        for each in costs
    ]
    measured = publishing.document(
        "benchmarks.redis_cost", machine, {"servers": SERVERS, "costs": records}
    )
    if options.json:
        publishing.write(options.json, measured)
    if options.publish:
        publishing.publish("redis_cost", measured, part(measured))
    return int(not all(each.is_whole for each in costs))


if __name__ == "__main__":
    sys.exit(main())
