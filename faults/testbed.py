"""The testbed of a fault: a deployment, a tap in front of it, a publisher and clients."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis.crc import key_slot

from realtime_demo.tap.proxy import Tap
from transports.store.base import group_of
from transports.store.redis.cluster_client import bucket_of

from .clients import Follower
from .cluster import Cluster
from .deployment import Deployment
from .failover import Failover
from .publisher import RetryingPublisher
from .resources import value_of

BOUND = 90.0  # seconds until `until` and `poll_until` raise `TimeoutError`


@dataclass
class Testbed:
    """A deployment with clients, and the observations of the fault injected into it."""

    deployment: Deployment
    http: httpx.AsyncClient
    tap: Tap
    publisher: RetryingPublisher
    clock: Path
    followers: Sequence[Follower] = ()
    notes: list[str] = field(default_factory=list)  # observed effects of the fault
    unproven: list[str] = field(default_factory=list)  # expected effects that were not observed

    @property
    def failover(self) -> Failover:
        assert self.deployment.failover is not None
        return self.deployment.failover

    @property
    def cluster(self) -> Cluster:
        assert self.deployment.cluster is not None
        return self.deployment.cluster

    @property
    def slot(self) -> int:
        """The slot of the room in the cluster."""
        return key_slot(str(bucket_of(group_of(self.publisher.room))).encode())

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def expect(self, occurred: object, otherwise: str) -> None:
        """Fail the run if the fault did not occur: otherwise it passes trivially."""
        if not occurred:
            self.unproven.append(otherwise)

    @property
    def arrived(self) -> int:
        """The number of events that all followers have received so far."""
        return sum(len(follower.arrivals) for follower in self.followers)

    def process(self, part: str) -> psutil.Process:
        """Return the first process of a part; of nginx, the master."""
        return self.deployment.processes()[part][0]

    def step_clock(self, seconds: float) -> None:
        """Set the clock error of every Python process in the deployment to `seconds`."""
        with self.clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    async def counters(self, name: str) -> float:
        """Return the sum of a counter over the servers."""
        async with httpx.AsyncClient(base_url=self.deployment.metrics_url, timeout=10) as metrics:
            pages = [
                await metrics.get(f"/{server}/metrics") for server in self.deployment.paths.names
            ]
        return sum(value_of(name, page.text) for page in pages)

    async def task(self, kind: str, **arguments: Any) -> str:
        """Start a task for the worker; return its URL."""
        headers = await asyncio.to_thread(self.deployment.staff)
        document = {"kind": kind, "arguments": arguments}
        response = await self.http.post("/tasks/", json=document, headers=headers)
        response.raise_for_status()
        return str(response.headers["location"])


async def until(condition: Callable[[], object], seconds: float = BOUND) -> None:
    """Wait until `condition()` holds. Raise `TimeoutError` after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (the condition has no event to wait for)
            await asyncio.sleep(0.02)


async def poll_until(condition: Callable[[], Awaitable[object]], seconds: float = BOUND) -> None:
    """Wait as `until` does, for an asynchronous condition."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
