"""What a fault is injected into: the deployment, the tap in front of it, and the feed."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from realtime_demo.tap.proxy import Tap

from .clients import Follower
from .deployment import Deployment
from .failover import Failover
from .publisher import Publisher

BOUND = 90.0  # seconds after which what has not happened is not going to


@dataclass
class Stage:
    deployment: Deployment
    http: httpx.AsyncClient
    tap: Tap
    publisher: Publisher
    clock: Path
    followers: Sequence[Follower] = ()
    notes: list[str] = field(default_factory=list)  # what the fault was seen to do
    unproven: list[str] = field(default_factory=list)  # what it was not seen to do, and had to

    @property
    def failover(self) -> Failover:
        assert self.deployment.failover is not None
        return self.deployment.failover

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def expect(self, is_so: object, otherwise: str) -> None:
        """A fault that did not take place is survived by anybody: that it did is held too."""
        if not is_so:
            self.unproven.append(otherwise)

    @property
    def arrived(self) -> int:
        """Events that the followers were given so far."""
        return sum(len(each.arrivals) for each in self.followers)

    def process(self, part: str) -> psutil.Process:
        """The part's first process; nginx's is its master."""
        return self.deployment.processes()[part][0]

    def step_clock(self, seconds: float) -> None:
        """Make the clock of every Python process of the deployment wrong by so many seconds."""
        with self.clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    async def counters(self, name: str) -> float:
        """The sum of a counter over the servers."""
        total = 0.0
        async with httpx.AsyncClient(base_url=self.deployment.metrics_url, timeout=10) as metrics:
            for server in self.deployment.paths.names:
                text = (await metrics.get(f"/{server}/metrics")).text
                for line in text.splitlines():
                    if line.startswith((f"{name} ", f"{name}{{")):
                        total += float(line.rpartition(" ")[2])
        return total

    async def task(self, kind: str, **arguments: Any) -> str:
        """Start a task for the worker; where it is asked for."""
        headers = await asyncio.to_thread(self.deployment.staff)
        document = {"kind": kind, "arguments": arguments}
        answer = await self.http.post("/tasks/", json=document, headers=headers)
        answer.raise_for_status()
        return str(answer.headers["location"])


async def until(condition: Callable[[], object], seconds: float = BOUND) -> None:
    """Return as soon as `condition()` holds; raises `TimeoutError` after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.02)


async def until_asked(condition: Callable[[], Awaitable[object]], seconds: float = BOUND) -> None:
    """As `until`, for a condition that has to be asked for."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
