"""The worker processes of the comparison: start, calls and end."""

from __future__ import annotations

import os
import signal

import pytest

from realtime_demo.comparison.plan import Adapter, Settings
from realtime_demo.comparison.publisher import Publisher
from realtime_demo.comparison.subscribers import ClientsConfig, SubscriberCounts, Subscribers
from realtime_demo.comparison.workers import ForkServer, WorkerFailed
from tests.support.waiting import until

ADAPTER = Adapter.parse("sse")
ORDERS = ClientsConfig(ADAPTER, Settings(), "http://127.0.0.1", tapped=True, room="lobby")


class Absent:
    """A class in a module that no worker can import."""

    __module__ = "nothing_of_the_kind"


async def sing(worker: Publisher) -> None:
    """Call a method that workers do not have."""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_workers_end_with_their_block() -> None:
    async with ForkServer(Publisher) as workers:
        async with workers.worker(Publisher) as one, workers.worker(Subscribers, ORDERS) as other:
            processes = {one.process, other.process, os.getpid()}
            assert len(processes) == 3 and all(map(runs, processes))
            assert await other.ask(Subscribers.ready) == 0
            mark = await other.ask(Subscribers.mark)
            assert mark.counts == SubscriberCounts() and mark.cpu < 5, (
                "only the worker's own CPU time"
            )
        await until(lambda: not runs(one.process) and not runs(other.process))
        async with workers.worker(Publisher) as third:
            assert third.process not in processes


async def test_worker_failure_is_raised() -> None:
    async with ForkServer() as workers:
        with pytest.raises(WorkerFailed, match="Absent ended during"):
            async with workers.worker(Absent):
                pass
        async with workers.worker(Publisher) as worker:
            with pytest.raises(WorkerFailed, match="publish\\(\\) failed: IndexError"):
                await worker.ask(Publisher.publish, "lobby", 1, 10)
            with pytest.raises(WorkerFailed, match="sing\\(\\) failed: AttributeError"):
                await worker.ask(sing)
            os.kill(worker.process, signal.SIGKILL)
            with pytest.raises(WorkerFailed, match="ended during publish"):
                await worker.ask(Publisher.publish, "lobby", 1, 10)


async def test_hanging_worker_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_demo.comparison.workers.STOP_TIMEOUT", 0.1)
    async with ForkServer(Publisher) as workers:
        async with workers.worker(Publisher) as worker:
            os.kill(worker.process, signal.SIGSTOP)
        async with workers.worker(Publisher) as after:
            await until(lambda: not runs(worker.process))
            assert runs(after.process)
