"""Samples of a deployment's resources: memory, descriptors, threads, tasks of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from realtime_demo.comparison.host import cpu_seconds

from .deployment import MIB

REQUESTS = 5  # requests to each server for its number of tasks
STEP = 0.2  # seconds between the samples of `sample_at_rest`


@dataclass
class ResourceSample:
    """The resources that all processes of a part hold at one time."""

    at: float  # seconds since the beginning
    memory: float = 0.0  # resident, in MiB
    descriptors: float = 0.0
    threads: float = 0.0
    cpu: float = 0.0  # seconds so far
    tasks: float | None = None


def value_of(name: str, text: str) -> float:
    """Return the sum of the samples of this name in the text of `/metrics`."""
    families = text_string_to_metric_families(text)
    return sum(each.value for family in families for each in family.samples if each.name == name)


def sample_resources(at: float, processes: Sequence[psutil.Process]) -> ResourceSample:
    sample = ResourceSample(at)
    for process in processes:
        with contextlib.suppress(psutil.Error), process.oneshot():
            sample.memory += process.memory_info().rss / MIB
            sample.descriptors += process.num_fds()
            sample.threads += process.num_threads()
            sample.cpu += cpu_seconds(process.pid) or sum(process.cpu_times()[:2])
    return sample


async def sample_at_rest(
    at: float, parts: dict[str, list[psutil.Process]], metrics: dict[str, str], seconds: float
) -> dict[str, ResourceSample]:
    """Return the minimum that each part holds during `seconds` without clients.

    Resources used for a moment (a worker's query, a readiness check) are missing from some
    samples; a leaked resource is in all of them. `metrics` are the URLs of `/metrics`, by part.
    """
    least = {name: sample_resources(at, processes) for name, processes in parts.items()}
    clock = asyncio.get_running_loop()
    end = clock.time() + seconds
    while clock.time() < end:
        await asyncio.sleep(STEP)
        for name, processes in parts.items():
            sample = sample_resources(at, processes)
            for quantity in ("memory", "descriptors", "threads"):
                minimum = min(getattr(sample, quantity), getattr(least[name], quantity))
                setattr(least[name], quantity, minimum)
    async with httpx.AsyncClient(timeout=10) as http:
        for _ in range(REQUESTS):
            for name, url in metrics.items():
                with contextlib.suppress(httpx.TransportError):
                    response = await http.get(url)
                    if response.status_code == 200:
                        tasks, before = value_of("realtime_tasks", response.text), least[name].tasks
                        least[name].tasks = tasks if before is None else min(tasks, before)
            await asyncio.sleep(STEP / 4)
    return least
