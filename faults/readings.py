"""What a part of the deployment holds: memory, descriptors, threads, the event loop's tasks."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import psutil

from realtime_demo.comparison.host import cpu_seconds

from .deployment import MIB

ASKED = 5  # times that each is asked for its tasks
LOOK = 0.2  # seconds between the looks of which `rest` takes the least
_TASKS = re.compile(r"^realtime_tasks (\S+)$", re.MULTILINE)


@dataclass
class Sample:
    """One look at a part, all of its processes together."""

    at: float  # seconds since the beginning
    memory: float = 0.0  # resident, in MiB
    descriptors: float = 0.0
    threads: float = 0.0
    cpu: float = 0.0  # seconds so far
    tasks: float | None = None


def look(at: float, processes: Sequence[psutil.Process]) -> Sample:
    sample = Sample(at)
    for process in processes:
        with contextlib.suppress(psutil.Error), process.oneshot():
            sample.memory += process.memory_info().rss / MIB
            sample.descriptors += process.num_fds()
            sample.threads += process.num_threads()
            sample.cpu += cpu_seconds(process.pid) or sum(process.cpu_times()[:2])
    return sample


async def rest(
    at: float, parts: dict[str, list[psutil.Process]], tasks: dict[str, str], seconds: float
) -> dict[str, Sample]:
    """What each part holds while nobody is there: the least of what is seen in `seconds`.

    What comes and goes by itself (a worker's look into the database, somebody's asking whether
    all is well) is in some of the looks; what is never given back is in each. `tasks` are the
    URLs of `/metrics`, by part.
    """
    least = {name: look(at, processes) for name, processes in parts.items()}
    clock = asyncio.get_running_loop()
    end = clock.time() + seconds
    while clock.time() < end:
        await asyncio.sleep(LOOK)
        for name, processes in parts.items():
            now, so_far = look(at, processes), least[name]
            for quantity in ("memory", "descriptors", "threads"):
                seen = min(getattr(now, quantity), getattr(so_far, quantity))
                setattr(so_far, quantity, seen)
    async with httpx.AsyncClient(timeout=10) as http:
        for _ in range(ASKED):
            for name, url in tasks.items():
                with contextlib.suppress(httpx.TransportError):
                    if found := _TASKS.search((await http.get(url)).text):
                        seen, before = float(found[1]), least[name].tasks
                        least[name].tasks = seen if before is None else min(seen, before)
            await asyncio.sleep(LOOK / 4)
    return least
