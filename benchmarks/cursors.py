"""Subscribers without sockets: the cost of a delivery in the feed and hub alone.

    python -m benchmarks.cursors [--subscribers 100000] [--events 20] [--json FILE]

Each subscriber is a cursor in one process, which encodes each batch as its technique would.
`compare` also measures the cost of sockets: the server, the kernel and TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import time
from dataclasses import asdict, dataclass

import django
from django.conf import settings
from rich.console import Console

from benchmarks import publishing
from realtime_demo.command_line import at_least, output_file
from realtime_demo.comparison.host import environment
from realtime_demo.progress import progress
from transports.conf import Conf
from transports.events import Draft, batch_json

ROOM = "cursors"


@dataclass(frozen=True)
class Cost:
    """The cost of `events` to `subscribers`; `lost` and `out_of_order` must be 0."""

    subscribers: int
    events: int
    lost: int
    out_of_order: int
    cpu_each: float  # seconds for one delivery
    slowest: float  # seconds until the last subscriber had an event
    memory_each: float  # bytes for one subscriber


async def measure(subscribers: int, events: int) -> Cost:
    """Publish `events`, each as soon as every subscriber has received the one before it."""
    from transports import feed, hub  # after Django is set up

    received = [0] * subscribers
    out_of_order = waiting = 0
    complete = asyncio.Event()

    async def follow(number: int) -> None:
        nonlocal out_of_order, waiting
        async for batch in hub.subscribe(ROOM, heartbeat=3_600):
            for event in batch.events:
                out_of_order += event.cursor.seq != received[number] + 1
                received[number] = event.cursor.seq
            batch.encoded_by(batch_json)
            waiting -= 1
            if not waiting:
                complete.set()

    before, waiting = _memory(), subscribers
    tasks = [asyncio.create_task(follow(number)) for number in range(subscribers)]
    await complete.wait()  # each has had its first, empty batch
    memory = _memory() - before
    cpu, slowest = time.process_time(), 0.0
    for number in range(events):
        complete.clear()
        waiting, began = subscribers, time.monotonic()
        await feed.publish(Draft(ROOM, "load", f"event {number}"))
        await complete.wait()
        slowest = max(slowest, time.monotonic() - began)
    cpu = time.process_time() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()
    await hub.aclose()
    return Cost(
        subscribers,
        events,
        lost=sum(events - last for last in received),
        out_of_order=out_of_order,
        cpu_each=cpu / (subscribers * events),
        slowest=slowest,
        memory_each=memory / subscribers,
    )


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.cursors", description=__doc__)
    arguments.add_argument("--subscribers", type=at_least(1), default=100_000)
    arguments.add_argument("--events", type=at_least(1), default=20)
    arguments.add_argument("--json", type=output_file, metavar="FILE")
    options = arguments.parse_args()
    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=["transports"], REDIS_URL=Conf.REDIS_URL, BACKLOG_LENGTH=0
        )
        django.setup()
    # Lines rather than a spinner, whose thread would cost CPU in the measured process.
    with progress(Console(force_terminal=False)) as show_step:
        show_step(f"Subscribers: {options.subscribers:,.0f} …")
        cost = asyncio.run(measure(int(options.subscribers), int(options.events)))
    print(
        f"{cost.subscribers:,} subscribers, {cost.events} events: {cost.lost} lost, "
        f"{cost.out_of_order} out of order; {cost.cpu_each * 1e6:.2f} µs of CPU for each delivery, "
        f"{cost.slowest * 1e3:,.0f} ms for an event to reach all, "
        f"{cost.memory_each:,.0f} bytes for each subscriber"
    )
    if options.json:
        publishing.write(options.json, {"environment": environment(), **asdict(cost)})
    return int(bool(cost.lost or cost.out_of_order))


if __name__ == "__main__":
    raise SystemExit(main())
