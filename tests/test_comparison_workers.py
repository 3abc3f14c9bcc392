"""The comparison's worker processes: forked, asked, told to end."""

from __future__ import annotations

import os
import signal

import pytest

from realtime_demo.comparison import publisher as load
from realtime_demo.comparison import subscribers
from realtime_demo.comparison.fork_server import ForkServer
from realtime_demo.comparison.workers import Child, ChildFailed
from tests.waiting import until

LOAD, SUBSCRIBERS = load.__name__, subscribers.__name__


def process(child: Child) -> int:
    return child._process


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_workers_are_processes_of_their_own_and_end_with_their_block() -> None:
    async with ForkServer(LOAD) as workers:
        async with workers.child(LOAD) as one, workers.child(SUBSCRIBERS) as other:
            found = {process(one), process(other), os.getpid()}
            assert len(found) == 3 and all(map(runs, found))
            assert await other.ask("ready") == {}
            mark = await other.ask("mark")
            assert mark["groups"] == {} and mark["cpu"] < 5, "no CPU time but its own"
        await until(lambda: not runs(process(one)) and not runs(process(other)))
        async with workers.child(LOAD) as again:
            assert process(again) not in found


async def test_a_worker_that_fails_says_so() -> None:
    async with ForkServer() as workers:
        with pytest.raises(ChildFailed, match="nothing_of_the_kind ended while"):
            async with workers.child("nothing_of_the_kind"):
                pass
        async with workers.child(LOAD) as child:
            with pytest.raises(ChildFailed, match="could not probe: IndexError"):
                await child.ask("probe", room="lobby", index=1, size=10)
            with pytest.raises(ChildFailed, match="could not sing: KeyError"):
                await child.ask("sing")
            os.kill(process(child), signal.SIGKILL)
            with pytest.raises(ChildFailed, match="ended while it was asked to probe"):
                await child.ask("probe", room="lobby", index=1, size=10)


async def test_a_worker_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_demo.comparison.workers.PATIENCE", 0.1)
    async with ForkServer(LOAD) as workers:
        async with workers.child(LOAD) as child:
            os.kill(process(child), signal.SIGSTOP)
        async with workers.child(LOAD) as after:
            await until(lambda: not runs(process(child)))
            assert runs(process(after))
