"""Redis' CPU for a publish, on clusters of one master and of three.

    python -m benchmarks.cluster_cost [--json FILE]

Several channel layers, one for each simulated process, subscribe to each room. A part of the cost
of a publish is constant; the rest grows with the number of processes.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from benchmarks import publishing
from faults.cluster import Cluster
from realtime_demo.command_line import output_file
from realtime_demo.comparison.host import environment
from realtime_demo.progress import progress
from transports.events import Draft
from transports.store.base import group_of
from transports.store.redis.cluster import ClusterStore
from transports.store.redis.pubsub import PubSubChannelLayer

MASTERS = (1, 3)
PROCESSES = (1, 8)
ROOMS = 240  # many more than masters, so that each master has about as many
PUBLISHES = 4_800
PUBLISHERS = 8


@dataclass(frozen=True)
class ClusterCost:
    """CPU seconds of Redis for one publish, of all nodes and of the busiest node alone."""

    masters: int
    processes: int
    publishes: int
    received: int
    cpu_each: float
    busiest_each: float
    read_each: float  # CPU seconds for a poll without new events


async def measure(cluster: Cluster, processes: int) -> ClusterCost:
    layers = [
        PubSubChannelLayer(cluster.url, prefix="cost", capacity=PUBLISHES) for _ in range(processes)
    ]
    store = ClusterStore(
        cluster.url,
        length=1_000,
        backlog=50,
        expiry=600,
        prefix="cost",
        channel_of=layers[0].channel_of,
    )
    rooms = [f"room-{number}" for number in range(ROOMS)]
    channels = [await layer.new_channel() for layer in layers]
    for layer, channel in zip(layers, channels, strict=True):
        for room in rooms:
            await layer.group_add(group_of(room), channel)
    received, complete = 0, asyncio.Event()

    async def receive(layer: Any, channel: str) -> None:
        nonlocal received
        while True:
            await layer.receive(channel)
            received += 1
            if received == PUBLISHES * processes:
                complete.set()

    async def publish(first: int) -> None:
        for number in range(first, PUBLISHES, PUBLISHERS):
            await store.append(Draft(rooms[number % ROOMS], "load", "x" * 100))

    receiving = [asyncio.create_task(receive(*pair)) for pair in zip(layers, channels, strict=True)]
    before = _cpu(cluster)
    await asyncio.gather(*(publish(number) for number in range(PUBLISHERS)))
    cpu = [after - start for after, start in zip(_cpu(cluster), before, strict=True)]
    await asyncio.wait_for(complete.wait(), 30)
    for task in receiving:
        task.cancel()
    await asyncio.wait(receiving)
    for layer in layers:
        await layer.flush()
    heads = await store.heads(rooms)
    before = _cpu(cluster)
    for number in range(PUBLISHES):
        room = rooms[number % ROOMS]
        await store.read(room, heads[room])
    reads = sum(_cpu(cluster)) - sum(before)
    await store.close()
    return ClusterCost(
        len(cpu),
        processes,
        PUBLISHES,
        received,
        cpu_each=sum(cpu) / PUBLISHES,
        busiest_each=max(cpu) / PUBLISHES,
        read_each=reads / PUBLISHES,
    )


def _cpu(cluster: Cluster) -> list[float]:
    processes = [node.process for node in cluster.nodes if node.process is not None]
    return [sum(psutil.Process(each.pid).cpu_times()[:2]) for each in processes]


def main() -> None:
    arguments = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster_cost", description="Redis' CPU for a publish."
    )
    arguments.add_argument("--json", type=output_file, metavar="FILE")
    options = arguments.parse_args()
    costs: list[ClusterCost] = []
    console = Console()
    for masters in MASTERS:
        with (
            progress(console) as show_step,
            tempfile.TemporaryDirectory() as directory,
            Cluster(Path(directory), masters, 0) as cluster,
        ):
            for processes in PROCESSES:
                show_step(f"Masters: {masters}, processes: {processes} …")
                cost = asyncio.run(measure(cluster, processes))
                costs.append(cost)
                console.print(
                    f"Masters: {cost.masters}, processes: {cost.processes}: "
                    f"{cost.cpu_each * 1e6:.0f} µs for each publish, "
                    f"of which the busiest master {cost.busiest_each * 1e6:.0f} µs; "
                    f"{cost.read_each * 1e6:.0f} µs for each poll"
                )
    if options.json:
        document = {"environment": environment(), "costs": [asdict(cost) for cost in costs]}
        publishing.write(options.json, document)


if __name__ == "__main__":
    main()
