"""Background tasks: their effects exactly once despite crashes, with Redis and without."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from background import runner
from background.conf import TaskConf
from background.functions import Failed, run_function
from background.models import Task
from background.work import LINES, WORK, Job
from tests.contract.feeds import collect, cursor_of
from tests.support.database import migrated
from tests.support.live import LiveServer
from tests.support.program import Program, run_python
from tests.support.redis_server import RedisServer
from tests.support.task_functions import character, wait_for
from tests.support.waiting import BOUND, until
from transports import feed
from transports.registry import TECHNIQUES

pytestmark = [pytest.mark.own_server]

# `TASKS=300 WORKERS=4` is the long form.
TASKS, WORKERS = int(os.environ.get("TASKS", 40)), int(os.environ.get("WORKERS", 3))
STEPS = 3  # events that each task publishes
LEASE = 2.0  # seconds


# Enqueues functions, in a transaction and outside. Claims three more, by priority and not before
# their time, and rolls them back. Prints the results.
ENQUEUE = """
import json, time, uuid
from asgiref.sync import async_to_sync
from datetime import timedelta
from django.db import transaction
from django.utils.timezone import now
from background.models import Task
from background.task_backend import TaskResultDoesNotExist, task_enqueued
from tests.support.task_functions import fail, publish_id, publish_sum
from transports import synchronous
room, deadline, enqueued = "{room}", time.monotonic() + {bound}, []
def append(task_result, **arguments):
    enqueued.append(task_result.id)
task_enqueued.connect(append)
with transaction.atomic():
    results = [publish_sum.enqueue(room, 1, 2) for _ in range({tasks})]
results.append(async_to_sync(publish_id.aenqueue)(room=room))
def wait(result):
    while not result.is_finished and time.monotonic() < deadline:
        time.sleep(0.05)
        result.refresh()
for result in results:
    wait(result)
*sums, identity = results
time.sleep(0.5)  # the workers are idle, and only woken now
failed = fail.enqueue(room)
results.append(failed)
wait(failed)
(error,) = failed.errors
states = sorted(f"{{r.id}} {{s}}" for r in [*sums, failed] for s in ("RUNNING", r.status))
def exists(identity):
    try:
        return bool(publish_sum.get_result(identity))
    except TaskResultDoesNotExist:
        return False
def sent():
    return sorted(event.text for event in synchronous.history_sync(room + "-signals").events)
while sent() != states and time.monotonic() < deadline:
    time.sleep(0.05)
with transaction.atomic():
    low, high = (publish_sum.using(priority=n).enqueue(room) for n in (-1, 1))
    later = publish_sum.using(priority=2, run_after=now() + timedelta(hours=1)).enqueue(room)
    def claim():
        row = Task.objects.claim("test", 60)
        return row and str(row.pk)
    claims = [claim() == expected for expected in (high.id, low.id, None)]
    Task.objects.filter(pk=later.id).update(run_after=now())
    claims += [claim() == later.id, publish_sum.get_result(high.id).task.priority]
    transaction.set_rollback(True)
print(json.dumps([
    [result.return_value for result in sums], identity.return_value == 1 and identity.id,
    Task.objects.filter(pk=sums[0].id).update(finished_at=now() - timedelta(days=1))
        and Task.objects.delete_expired(60),
    sorted(event.text for event in synchronous.history_sync(room).events),
    failed.attempts, error.exception_class.__name__, "LookupError: " + room in error.traceback,
    enqueued[:len(results)] == [result.id for result in results], sent() == states, claims,
    [exists(identity) for identity in (sums[-1].id, "7", str(uuid.uuid4()))],
]))
"""


def environment(path: Path, redis_url: str = "", database_url: str = "") -> dict[str, str]:
    return {
        "DATABASE_PATH": "" if database_url else str(migrated(path)),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DEMO": "1",
        "TASK_LEASE": str(LEASE),
        "TASK_SWEEP": "0.5",
    }


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with LiveServer(env=environment(tmp_path_factory.mktemp("embedded"))) as server:
        yield server.url


class Worker(Program):
    """A process of `manage.py runworker background-tasks`, while the block lasts or until killed.

    A traceback in its output fails the test, except in an `outage`.
    """

    def __init__(self, env: dict[str, str], *, outage: bool = False) -> None:
        command = [sys.executable, "manage.py", "runworker", "background-tasks"]
        number = signal.SIGTERM
        super().__init__(command, None, env, signal_number=number, stop=BOUND, spotless=not outage)
        self.exit_codes = (0,)

    def wait_until_ready(self) -> None:
        """Return at once: tasks wait for a worker."""


async def start_task(http: httpx.AsyncClient, kind: str, **arguments: Any) -> str:
    """Start a task; return its URL."""
    response = await http.post("/tasks/", json={"kind": kind, "arguments": arguments})
    assert response.status_code == 202, response.text
    assert response.json()["status"] == "waiting"
    assert response.headers["location"] == f"/tasks/{response.json()['id']}/"
    return str(response.headers["location"])


async def end_of(http: httpx.AsyncClient, location: str, seconds: float = BOUND) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            response = await http.get(location)
            assert response.status_code == 200
            task: dict[str, Any] = response.json()
            if task["status"] in ("done", "failed"):
                return task
            await asyncio.sleep(0.05)


@pytest.mark.redis
@pytest.mark.timeout(600)
async def test_each_effect_happens_once_if_a_worker_is_killed(
    redis_server: RedisServer, database_url: str, tmp_path: Path
) -> None:
    env = environment(tmp_path, redis_server.url, database_url)
    env["REDIS_PREFIX"] = uuid.uuid4().hex  # the wake-ups of this test alone
    rooms = [f"task-{number}" for number in range(TASKS)]
    with LiveServer(env=env) as server, ExitStack() as stack:
        workers = [stack.enter_context(Worker(env)) for _ in range(WORKERS)]
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            processes = {worker.process.pid: worker.process for worker in workers}
            locations: list[str] = []

            async def start() -> None:
                for room in rooms:
                    locations.append(
                        await start_task(http, "conversation", room=room, lines=STEPS, pause=0.5)
                    )

            async def kill_midway() -> None:
                """Kill the worker of a running task once a quarter of the tasks is done."""
                done: set[str] = set()
                while True:
                    # All at once: each by itself may be done before it is read.
                    unfinished = [location for location in locations if location not in done]
                    responses = await asyncio.gather(*map(http.get, unfinished))
                    tasks = {str(each.request.url.path): each.json() for each in responses}
                    done |= {path for path, task in tasks.items() if task["status"] == "done"}
                    running = [task for task in tasks.values() if task["status"] == "running"]
                    if running and len(done) > TASKS // 4:
                        newest = min(running, key=lambda task: int(task["progress"]))
                        processes[int(newest["worker"].split(":")[1])].kill()
                        return
                    assert len(done) < TASKS, "no task was seen running"
                    await asyncio.sleep(0.05)

            await asyncio.gather(start(), kill_midway())
            tasks = [await end_of(http, location, 300) for location in locations]
            assert {task["status"] for task in tasks} == {"done"}
            assert any(task["attempts"] > 1 for task in tasks), "after the kill: claimed again"
            for room in rooms:
                batch = (await http.get(f"/polling/{room}/")).json()
                lines = [(event["sender"], event["text"]) for event in batch["events"]]
                assert lines == list(LINES[:STEPS]), room


async def test_a_runner_continues_after_a_failed_claim(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claims = 0
    expiries = []

    async def delete_expired(seconds: float) -> None:
        expiries.append(seconds)

    async def claim(name: str, lease: float) -> None:
        nonlocal claims
        claims += 1
        if claims == 1:
            raise ValueError("odd")

    monkeypatch.setattr(runner, "claim", claim)
    monkeypatch.setattr(runner, "delete_expired", delete_expired)
    task_runner = runner.Runner()
    task_runner.start()
    await until(lambda: claims == 1)
    task_runner.wake()
    await until(lambda: claims == 2)
    await task_runner.stop()
    assert "odd" in caplog.text
    assert expiries == [TaskConf.TASK_EXPIRY], "not at each sweep"


async def test_a_repeated_task_publishes_no_duplicates(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between publishing and storing the progress, at every step."""

    async def forget(job: Job, progress: int) -> None:
        """Lose the progress, as a crash does."""

    monkeypatch.setattr(Job, "advance", forget)
    task = Task(kind="conversation", arguments={"room": room, "lines": STEPS, "pause": 0})
    other = Task(kind="conversation", arguments=task.arguments)
    try:
        for attempt in (task, task, other, task):
            await WORK["conversation"].run(Job(attempt))
        events = (await feed.history(room)).events
        assert [event.text for event in events] == 2 * [text for _, text in LINES[:STEPS]]
    finally:
        await feed.aclose()


@pytest.mark.redis
async def test_a_stopped_worker_releases_its_task(
    redis_server: RedisServer, tmp_path: Path, room: str
) -> None:
    env = {**environment(tmp_path, redis_server.url), "TASK_LEASE": "600"}
    env["REDIS_PREFIX"] = uuid.uuid4().hex
    with LiveServer(env=env) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            location = await start_task(http, "conversation", room=room, lines=3, pause=3)
            with Worker(env):
                async with asyncio.timeout(BOUND):
                    while (await http.get(location)).json()["progress"] < 1:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            released = (await http.get(location)).json()
            assert (released["status"], released["attempts"]) == ("waiting", 0)
            with Worker(env):
                task = await end_of(http, location)
            assert task["status"] == "done"
            events = (await http.get(f"/polling/{room}/")).json()["events"]
            assert [event["text"] for event in events] == [text for _, text in LINES[:3]]


@pytest.mark.redis
async def test_a_worker_survives_a_redis_restart(tmp_path: Path, room: str) -> None:
    with RedisServer() as redis:
        env = {**environment(tmp_path, redis.url), "TASK_LEASE": "600"}  # no other worker claims it
        with LiveServer(env=env, outage=True) as server, Worker(env):
            async with httpx.AsyncClient(base_url=server.url) as http:
                await end_of(http, await start_task(http, "announcement", room=room, text="before"))
                redis.stop()
                location = await start_task(http, "announcement", room=room, text="after")
                await asyncio.sleep(1)  # time for a failed attempt; the test passes without one too
                assert (await http.get(location)).json()["status"] in ("waiting", "running")
                redis.start()
                task = await end_of(http, location)
                assert (task["status"], task["attempts"]) == ("done", 1)
                events = (await http.get(f"/polling/{room}/")).json()["events"]
                assert [event["text"] for event in events] == ["after"], "Redis restarted empty"


async def test_a_task_that_no_worker_would_run_is_rejected(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    env = environment(tmp_path, redis_server.url)
    with LiveServer(env=env) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:
            location = await start_task(http, "report", pause=0)
            with sqlite3.connect(env["DATABASE_PATH"]) as database:
                database.execute("UPDATE background_task SET claimable_at = '2020-01-01 00:00:00'")
                database.execute("UPDATE background_task SET run_after = '2100-01-01 00:00:00'")
            await start_task(http, "report", pause=0)  # a deferred task is not due
            with sqlite3.connect(env["DATABASE_PATH"]) as database:
                database.execute("UPDATE background_task SET run_after = NULL")
            task = {"kind": "report", "arguments": {"pause": 0}}
            rejection = await http.post("/tasks/", json=task)
            assert (rejection.status_code, rejection.json()["code"]) == (503, "worker")
            assert "manage.py runworker background-tasks" in rejection.json()["detail"]
            assert rejection.headers["retry-after"] == "5"
            with Worker(env):
                assert (await end_of(http, location))["status"] == "done"
                await start_task(http, "report", pause=0)


async def test_the_embedded_worker_announces_to_every_room(embedded: str) -> None:
    rooms = [f"r-{uuid.uuid4().hex[:8]}" for _ in range(len(TECHNIQUES))]
    async with httpx.AsyncClient(base_url=embedded) as http:
        since = {}
        for room in rooms:
            await http.post(f"/publish/{room}/", json={"sender": "ada", "text": "here"})
            since[room] = await cursor_of(http, room)
        announcements = [
            asyncio.create_task(collect(technique, embedded, room, since[room], count=1))
            for technique, room in zip(TECHNIQUES, rooms, strict=True)
        ]
        task = await end_of(http, await start_task(http, "announcement", text="Lunch!"))
        assert task["result"]["rooms"] >= len(rooms)
        for (event,) in await asyncio.gather(*announcements):
            assert (event.type, event.sender, event.text) == ("announcement", "server", "Lunch!")
        report = await end_of(http, await start_task(http, "report", pause=0))
        for room in rooms:
            assert report["result"][room] == {"events": 2, "senders": [["ada", 1], ["server", 1]]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "dance"}, "kind"),
        ({}, "kind"),
        ({"kind": "announcement"}, "text"),
        ({"kind": "announcement", "arguments": {"text": "a\0b"}}, "text"),
        ({"kind": "announcement", "arguments": {"text": "a", "room": "Ä"}}, "room"),
        ({"kind": "announcement", "arguments": {"text": "a", "room": 1}}, "room"),
        ({"kind": "announcement", "arguments": []}, "arguments"),
        ({"kind": "conversation", "arguments": {"lines": -1}}, "lines"),
        ({"kind": "conversation", "arguments": {"pause": True}}, "pause"),
        ({"kind": "report", "arguments": {"pause": "1"}}, "pause"),
    ],
)
async def test_invalid_tasks_are_rejected(embedded: str, body: Any, code: str) -> None:
    async with httpx.AsyncClient(base_url=embedded) as http:
        response = await http.post("/tasks/", json=body)
        assert response.status_code in (400, 404)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == code
        assert (await http.get("/tasks/")).status_code == 405
        assert (await http.get(f"/tasks/{uuid.uuid4()}/")).json()["code"] == "task"
        form = await http.post("/tasks/", data={"kind": "report"})
        assert form.status_code == 415
        foreign = {"Origin": "https://evil.example"}
        assert (await http.post("/tasks/", json=body, headers=foreign)).status_code == 403


async def test_only_staff_start_tasks_outside_the_demo(memory_live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        for response in (
            await http.post("/tasks/", json={"kind": "report"}),
            await http.get(f"/tasks/{uuid.uuid4()}/"),
        ):
            assert response.status_code == 403
            assert response.json()["code"] == "staff"


@pytest.mark.redis
def test_functions_of_djangos_tasks_run_once(
    redis_server: RedisServer, database_url: str, tmp_path: Path, room: str
) -> None:
    """They are enqueued in another process than the worker's."""
    env = environment(tmp_path, redis_server.url, database_url)
    env |= {"REDIS_PREFIX": uuid.uuid4().hex, "TASK_SWEEP": "600"}  # only wake-ups start them
    script = ENQUEUE.format(room=room, bound=BOUND, tasks=TASKS // 4)
    with Worker(env, outage=True), Worker(env, outage=True):  # `fail` leaves a traceback
        arguments = ["manage.py", "shell", "-v", "0", "-c", script]
        completed = run_python(*arguments, env=env, seconds=2 * BOUND)
    sums, identity, deleted, texts, *outcomes = json.loads(completed.stdout)
    attempts, error, has_traceback, are_enqueued, are_signalled, claims, exist = outcomes
    assert sums == [{"sum": 3, "users": 0}] * (TASKS // 4)
    assert texts == sorted(["3"] * (TASKS // 4) + [identity, "failing"])
    assert deleted == 1
    assert (attempts, error, has_traceback) == (1, "LookupError", True)
    assert are_enqueued and are_signalled
    assert claims == [True, True, True, True, 1]
    assert exist == [True, False, False]


def job_of(function: Any, *arguments: Any) -> Job:
    path = function.module_path
    document = {"function": path, "backend": "default", "args": arguments, "kwargs": {}}
    return Job(Task(arguments=document))


async def test_a_stopped_worker_ends_its_function(tmp_path: Path) -> None:
    """A thread cannot be cancelled: the function would run twice if its task were given back."""
    started, proceed = tmp_path / "started", tmp_path / "proceed"
    job = job_of(wait_for, str(started), str(proceed), BOUND)
    running = asyncio.create_task(run_function(job))
    await until(started.exists)
    running.cancel()
    await asyncio.sleep(0)  # the cancellation takes effect
    proceed.touch()
    assert await running == "done"


async def test_a_result_must_not_contain_a_nul() -> None:
    assert await run_function(job_of(character, 0xAC00)) == "가"
    with pytest.raises(Failed, match=r"U\+0000"):
        await run_function(job_of(character, 0))
