"""The worker processes of the comparison: start, calls and end."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from types import ModuleType
from typing import Any, cast

import pytest

from realtime_demo.comparison.load import ClientsConfig, Publisher, SubscriberCounts, Subscribers
from realtime_demo.comparison.plan import Adapter, Settings
from realtime_demo.comparison.workers import Worker, WorkerFailed
from tests.support.waiting import until

ADAPTER = Adapter.parse("sse")
ORDERS = ClientsConfig(ADAPTER, Settings(), "http://127.0.0.1", tapped=True, room="lobby")


class Absent:
    """A class in a module that no worker can import."""

    __module__ = "nothing_of_the_kind"


@pytest.fixture
def module_of_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only this process import the module of `Absent`."""
    module = cast(Any, ModuleType(Absent.__module__))
    module.Absent = Absent
    monkeypatch.setitem(sys.modules, Absent.__module__, module)


class NeverReady:
    """A class whose object takes for ever to create."""

    def __init__(self) -> None:
        signal.pause()


async def sing(worker: Publisher) -> None:
    """Call a method that workers do not have."""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_workers_end_with_their_block() -> None:
    async with Worker(Publisher) as one, Worker(Subscribers, ORDERS) as other:
        processes = {one.pid, other.pid, os.getpid()}
        assert len(processes) == 3 and all(map(runs, processes))
        assert await other.ask(Subscribers.ready) == 0
        mark = await other.ask(Subscribers.mark)
        assert mark.counts == SubscriberCounts() and mark.cpu < 5, "only the worker's own CPU time"
    await until(lambda: not runs(one.pid) and not runs(other.pid))
    async with Worker(Publisher) as third:
        assert third.pid not in processes


@pytest.mark.usefixtures("module_of_the_parent")
async def test_worker_failure_is_raised() -> None:
    with pytest.raises(WorkerFailed, match="Absent ended during"):
        async with Worker(Absent):
            pass
    async with Worker(Publisher) as worker:
        with pytest.raises(WorkerFailed, match="publish\\(\\) failed: IndexError"):
            await worker.ask(Publisher.publish, "lobby", 1, 10)
        with pytest.raises(WorkerFailed, match="sing\\(\\) failed: AttributeError"):
            await worker.ask(sing)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="ended during publish"):
            await worker.ask(Publisher.publish, "lobby", 1, 10)


async def test_hanging_worker_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_demo.comparison.workers.STOP_TIMEOUT", 0.1)
    async with Worker(Publisher) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
    async with Worker(Publisher) as after:
        await until(lambda: not runs(worker.pid))
        assert runs(after.pid)


async def test_cancelled_start_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise this process would wait for it at its own end."""
    monkeypatch.setattr("realtime_demo.comparison.workers.STOP_TIMEOUT", 0.1)
    starting = asyncio.create_task(Worker(NeverReady).__aenter__())
    await until(lambda: bool(multiprocessing.active_children()))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not multiprocessing.active_children()


async def test_workers_leave_the_environment_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measured server and other programs get it too."""
    for path in (None, os.pathsep):
        if path:
            monkeypatch.setenv("PYTHONPATH", path)
        else:
            monkeypatch.delenv("PYTHONPATH", raising=False)
        async with Worker(Publisher):
            assert os.environ.get("PYTHONPATH") == path
