"""Experiments on background tasks: Channels' own worker, and this project's."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from typing import Any

import httpx
from channels.consumer import AsyncConsumer
from channels.routing import ChannelNameRouter
from channels.worker import Worker
from channels_redis.core import RedisChannelLayer
from django.utils.translation import gettext_noop as _

from realtime_demo.notes.laboratory import BOUND, Laboratory, Observation, http_client, new_room

CHANNEL = "background-tasks"
TASKS = 40
WORKERS = 2
FINISHED = 40.0  # seconds until all tasks must be done
PAUSE = 0.05  # seconds between two checks of a task's state


class PlainWorkers:
    """Channels' own workers on Redis, each in a thread with an event loop and a layer of its own.

    `runs` counts how often each task ran.
    """

    def __init__(self, redis_url: str) -> None:
        self.runs: Counter[int] = Counter()
        self._hosts = [{"address": redis_url, "socket_timeout": 15}]
        self._prefix = uuid.uuid4().hex
        self._ended = threading.Event()

    async def run(self, count: int) -> None:
        """Send `count` tasks; return once each has run and no task runs again."""
        threads = [asyncio.to_thread(asyncio.run, self._work()) for _number in range(WORKERS)]
        working = [asyncio.create_task(thread) for thread in threads]
        layer = self._layer(capacity=10 * count)
        try:
            async with asyncio.timeout(BOUND):
                for number in range(count):
                    await layer.send(CHANNEL, {"type": "task.run", "number": number})
                before = -1
                while len(self.runs) < count or self.runs.total() > before:
                    before = self.runs.total()
                    await asyncio.sleep(0.3)
        finally:
            self._ended.set()
            await asyncio.wait(working)
            await layer.close_pools()

    def _layer(self, **options: int) -> RedisChannelLayer:
        return RedisChannelLayer(hosts=self._hosts, prefix=self._prefix, **options)

    async def _work(self) -> None:
        runs = self.runs

        class Task(AsyncConsumer):  # type: ignore[misc]
            channel_layer_alias = ""  # do not open a channel for each instance

            async def task_run(self, message: dict[str, Any]) -> None:
                runs[message["number"]] += 1

        layer = self._layer()
        worker = Worker(ChannelNameRouter({CHANNEL: Task.as_asgi()}), [CHANNEL], layer)
        listening = asyncio.create_task(worker.listener(CHANNEL))
        await asyncio.to_thread(self._ended.wait)
        while not listening.done():  # redis-py can swallow a cancellation
            listening.cancel()
            await asyncio.wait([listening], timeout=0.1)
        await layer.close_pools()


async def start_tasks(http: httpx.AsyncClient, room: str, count: int) -> list[str]:
    """Start tasks that each publish one event; return their addresses."""
    locations = []
    for number in range(count):
        arguments = {"room": room, "text": f"task {number}"}
        response = await http.post("/tasks/", json={"kind": "announcement", "arguments": arguments})
        locations.append(response.raise_for_status().headers["location"])
    return locations


async def finish(http: httpx.AsyncClient, locations: list[str]) -> None:
    """Return once all tasks are done."""
    async with asyncio.timeout(FINISHED):
        for location in locations:
            while True:
                if (await http.get(location)).json()["status"] == "done":
                    break
                await asyncio.sleep(PAUSE)


async def exactly_once(laboratory: Laboratory) -> Observation:
    """Run the same number of tasks by Channels' worker and by this project's."""
    observation = Observation()
    plain = PlainWorkers(await laboratory.redis())
    await plain.run(TASKS)
    tasks, runs = len(plain.runs), plain.runs.total()
    observation.add(
        _("{workers} workers of Channels on Redis: {tasks} tasks ran {runs} times."),
        workers=WORKERS,
        tasks=tasks,
        runs=runs,
    )
    url, room = await laboratory.task_server(), new_room()
    async with (
        http_client(url) as http,
        laboratory.worker(),
        laboratory.worker(),
    ):
        cursor = (await http.get(f"/polling/{room}/")).json()["cursor"]
        await finish(http, await start_tasks(http, room, TASKS))
        events = (await http.get(f"/polling/{room}/?since={cursor}")).json()["events"]
    effects = Counter(event["text"] for event in events)
    observation.add(
        _("{workers} workers of this project: {tasks} tasks had {effects} effects."),
        workers=WORKERS,
        tasks=len(effects),
        effects=effects.total(),
    )
    observation.expect(tasks == len(effects) == effects.total() == TASKS < runs)
    return observation


async def from_a_view(laboratory: Laboratory) -> Observation:
    """Start a task from a view while no worker runs, then start a worker."""
    observation = Observation()
    url, room = await laboratory.task_server(), new_room()
    async with http_client(url) as http:
        (location,) = await start_tasks(http, room, 1)
        await asyncio.sleep(1)
        before = (await http.get(location)).json()["status"]
        observation.add(
            _("`POST /tasks/` is answered 202. A second later, without a worker: {status}."),
            status=before,
        )
        started = time.monotonic()
        async with laboratory.worker():
            await finish(http, [location])
        observation.add(
            _("A worker is started by hand: done {seconds} s later."),
            seconds=f"{time.monotonic() - started:.1f}",
        )
    observation.expect(before == "waiting")
    return observation
