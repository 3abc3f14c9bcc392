"""The faults. Each function injects one, which has its name.

A function returns the event loop's time of the fault's end, or None if the fault ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from transports.client import SILENCE

from . import database
from .testbed import Testbed, poll_until, until

OUTAGE = 5.0  # seconds without a process or file
PAUSE = 10.0  # seconds that a process, a lock or a connection blocks
UNDER_WAY = 2.0  # seconds in which bytes sent before a stall still arrive
STORM = 504  # clients that reconnect at the same time
TASK_LINES = 20
HISTORY = 40  # history length, so short that stalled clients fall behind it


Inject = Callable[[Testbed], Awaitable[float | None]]


@dataclass(frozen=True)
class Fault:
    """A fault: how it is injected, its deployment, and the losses that it may cause."""

    name: str
    title: str
    description: str
    inject: Inject
    clients: int | None = None  # of each technique; None: from the command line
    rate: float | None = None  # events a second; None: from the command line
    env: Mapping[str, str] = field(default_factory=dict)  # added to the deployment's environment
    tapped: bool = False  # the clients connect through the tap
    loses_events: bool = False  # Redis loses acknowledged events
    resets: bool = False  # clients fall behind the history and receive a `reset`
    replicated: bool = False  # Redis is a master and a replica, behind Sentinels
    clustered: bool = False  # Redis is a cluster of three masters and three replicas
    as_staff: bool = False  # every client has a token, which each request checks
    in_short: bool = False  # part of `--short`


FAULTS: list[Fault] = []


def fault(title: str, description: str, **options: Any) -> Callable[[Inject], Inject]:
    """Return a decorator that adds the decorated function to the faults."""

    def add(inject: Inject) -> Inject:
        name = inject.__name__.replace("_", "-")
        FAULTS.append(Fault(name, title, description, inject, **options))
        return inject

    return add


# --- A server ---------------------------------------------------------------------------------


async def _ended(*processes: psutil.Process) -> None:
    """Wait until the processes have ended."""
    await until(lambda: not any(map(_runs, processes)))


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@fault(
    "a server killed (SIGKILL)",
    "Its clients reconnect to the other server through nginx; recovery counts from the kill.",
    in_short=True,
)
async def server_killed(testbed: Testbed) -> None:
    process = testbed.process("server-0")
    process.kill()
    await _ended(process)


@fault(
    "a server stopped (SIGTERM)",
    "It ends its responses in order and is restarted; recovery counts from its end.",
)
async def server_stopped(testbed: Testbed) -> None:
    process = testbed.process("server-1")
    process.terminate()
    await _ended(process)


# --- nginx ------------------------------------------------------------------------------------


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@fault(
    "nginx reloaded (SIGHUP)",
    "The old workers keep their connections for `worker_shutdown_timeout`, 10 s, and then "
    "cut them; recovery counts from the end of the last.",
)
async def nginx_reloaded(testbed: Testbed) -> None:
    old_workers = [
        process
        for process in testbed.deployment.processes()["nginx"]
        if "worker" in " ".join(process.cmdline())
    ]
    testbed.expect(old_workers, "nginx has no worker")
    testbed.process("nginx").send_signal(signal.SIGHUP)
    await _ended(*old_workers)


@fault(
    f"nginx killed, and {STORM} clients reconnect at once",
    "All connections are cut; all clients reconnect as soon as nginx listens again.",
    clients=STORM // 6,
    rate=1.0,
)
async def storm(testbed: Testbed) -> None:
    old_processes = testbed.deployment.processes()["nginx"]
    testbed.process("nginx").kill()
    await _ended(*old_processes)  # the workers go on listening until they end
    await poll_until(lambda: _answers(testbed.deployment.paths.port))


# --- Redis ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _without_redis(testbed: Testbed, number: signal.Signals) -> AsyncIterator[None]:
    """End Redis by the signal `number`; start it after the block."""
    redis = testbed.deployment.redis
    await asyncio.to_thread(redis.end, number)
    yield
    await asyncio.to_thread(redis.start)


@fault(
    "Redis stopped for 5 s", "SIGTERM, and a restart from the append-only file five seconds later."
)
async def redis_stopped(testbed: Testbed) -> None:
    async with _without_redis(testbed, signal.SIGTERM):
        await asyncio.sleep(OUTAGE)


@fault("Redis restarted", "SIGTERM, and a restart at once.")
async def redis_restarted(testbed: Testbed) -> None:
    async with _without_redis(testbed, signal.SIGTERM):
        pass


@fault(
    "Redis killed (SIGKILL)",
    "The append-only file has all acknowledged events: Redis writes it before it answers.",
    in_short=True,
)
async def redis_killed(testbed: Testbed) -> None:
    async with _without_redis(testbed, signal.SIGKILL):
        pass


@fault(
    "Redis killed, and its file lost",
    "Redis restarts empty: every client receives a `reset` without a number.",
    loses_events=True,
)
async def redis_lost(testbed: Testbed) -> None:
    directory = testbed.deployment.paths.directory / "redis"
    async with _without_redis(testbed, signal.SIGKILL):
        shutil.rmtree(directory / "appendonlydir", ignore_errors=True)
        (directory / "appendonly.aof").unlink(missing_ok=True)


@fault(
    "Redis flushed (FLUSHALL)",
    "Like the previous fault, without an outage; the channel layer's groups are deleted too.",
    loses_events=True,
    in_short=True,
)
async def redis_flushed(testbed: Testbed) -> None:
    await asyncio.to_thread(testbed.deployment.redis.client.flushall)


@fault(
    "Redis paused for 10 s (SIGSTOP)",
    "Connections stay open without responses: publishes get 503, and may take effect later.",
)
async def redis_paused(testbed: Testbed) -> None:
    failed_before = testbed.publisher.failed
    testbed.deployment.redis.signal(signal.SIGSTOP)
    await asyncio.sleep(PAUSE)
    testbed.expect(testbed.publisher.failed > failed_before, "no publish failed")
    testbed.deployment.redis.signal(signal.SIGCONT)


@fault(
    "Redis's memory full for 5 s",
    "`maxmemory` is set below the memory in use, with `noeviction`: publishes get 503.",
)
async def redis_full(testbed: Testbed) -> None:
    client = testbed.deployment.redis.client
    limit = str(client.config_get("maxmemory")["maxmemory"])
    client.config_set("maxmemory", "1mb")
    failed_before = testbed.publisher.failed
    await asyncio.sleep(OUTAGE)
    failed = testbed.publisher.failed - failed_before
    testbed.notes.append(f"failed publishes: {failed}")
    testbed.expect(failed, "no publish failed")
    client.config_set("maxmemory", limit)


@fault(
    "Redis's master lost, its replica promoted",
    "The replica is disconnected, four events are answered 201, and the master is killed "
    "(SIGKILL). Three Sentinels promote the replica, which reuses the four numbers in another "
    "epoch. Every client receives a `reset`; recovery counts from the promotion.",
    replicated=True,
    loses_events=True,
)
async def redis_failover(testbed: Testbed) -> float:
    failover = testbed.failover
    await asyncio.to_thread(failover.cut_off)
    answered = testbed.publisher.answered
    await until(lambda: testbed.publisher.answered >= answered + 4)
    former = failover.master
    promoted = await asyncio.to_thread(failover.kill_master)
    await poll_until(lambda: asyncio.to_thread(failover.promoted, promoted))
    ended = testbed.now()
    failover.serve(former, promoted)
    return ended


@fault(
    "Redis's replica promoted (SENTINEL FAILOVER)",
    "The master stays alive, but accepts no writes without its replica "
    "(`min-replicas-to-write 1`); recovery counts from the promotion.",
    replicated=True,
    resets=True,
)
async def redis_failover_planned(testbed: Testbed) -> None:
    promoted = await asyncio.to_thread(testbed.failover.promote_replica)
    await poll_until(lambda: asyncio.to_thread(testbed.failover.promoted, promoted))


# --- A Redis Cluster --------------------------------------------------------------------------


@fault(
    "a master of the cluster lost, its replica promoted",
    "Like the loss of Redis's master, in a Redis Cluster: the replica is disconnected, four "
    "events are answered 201, and the master of the room's slot is killed (SIGKILL). Recovery "
    "counts from the promotion.",
    clustered=True,
    loses_events=True,
)
async def cluster_master_killed(testbed: Testbed) -> float:
    cluster = testbed.cluster
    master = await asyncio.to_thread(cluster.master_of, testbed.slot)
    replica = await asyncio.to_thread(cluster.cut_off, master)
    answered = testbed.publisher.answered
    await until(lambda: testbed.publisher.answered >= answered + 4)
    await asyncio.to_thread(master.end, signal.SIGKILL)
    replica.signal(signal.SIGCONT)
    await poll_until(lambda: asyncio.to_thread(cluster.is_master, replica))
    ended = testbed.now()
    cluster.serve(master)
    await poll_until(lambda: asyncio.to_thread(cluster.follows, master, replica))
    return ended


@fault(
    "a replica of the cluster promoted (CLUSTER FAILOVER)",
    "The master of the room's slot agrees and becomes the replica; recovery counts from the "
    "promotion.",
    clustered=True,
    resets=True,
)
async def cluster_failover(testbed: Testbed) -> None:
    cluster = testbed.cluster
    master = await asyncio.to_thread(cluster.master_of, testbed.slot)
    replica = await asyncio.to_thread(cluster.replica_of, master)
    await asyncio.to_thread(cluster.promote, replica)


@fault(
    "the room's slot moved to another master",
    "Its keys are migrated one by one under the feed. Until all of them have moved, an append "
    "gets TRYAGAIN, and a publish 503 if that takes long.",
    clustered=True,
)
async def cluster_slot_moved(testbed: Testbed) -> None:
    cluster, slot = testbed.cluster, testbed.slot
    source = await asyncio.to_thread(cluster.master_of, slot)
    target = await asyncio.to_thread(cluster.other_master, source)
    keys = await asyncio.to_thread(cluster.move, slot, source, target)
    testbed.expect(keys, "the slot had no keys")
    testbed.notes.append(f"moved keys: {keys}")


@fault(
    "a master of the cluster paused (SIGSTOP)",
    "Its replica is promoted; five seconds later it continues, and becomes the replica. "
    "Recovery counts from the promotion.",
    clustered=True,
    resets=True,
)
async def cluster_node_paused(testbed: Testbed) -> float:
    cluster = testbed.cluster
    master = await asyncio.to_thread(cluster.master_of, testbed.slot)
    replica = await asyncio.to_thread(cluster.replica_of, master)
    failed_before = testbed.publisher.failed
    master.signal(signal.SIGSTOP)
    await poll_until(lambda: asyncio.to_thread(cluster.is_master, replica))
    ended = testbed.now()
    await asyncio.sleep(OUTAGE)
    master.signal(signal.SIGCONT)
    testbed.expect(testbed.publisher.failed > failed_before, "no publish failed")
    await poll_until(lambda: asyncio.to_thread(cluster.follows, master, replica))
    return ended


# --- The database -----------------------------------------------------------------------------


@fault(
    "the database gone for 5 s, then locked for 10 s",
    "Every client has a token, which is checked in the database for each request: publishes, "
    "polls and new connections get 503; open connections stay.",
    as_staff=True,
)
async def database_away(testbed: Testbed) -> None:
    file = testbed.deployment.paths.directory / "db.sqlite3"
    before = testbed.publisher.failed
    with database.unavailable(file):
        await asyncio.sleep(OUTAGE)
    while_unavailable = testbed.publisher.failed - before
    before = testbed.publisher.failed
    await asyncio.to_thread(database.lock, file, PAUSE)
    while_locked = testbed.publisher.failed - before
    testbed.notes.append(
        f"failed publishes while the database was gone: {while_unavailable}; "
        f"while locked: {while_locked}"
    )
    testbed.expect(while_unavailable and while_locked, "no publish failed")


# --- The channel layer ------------------------------------------------------------------------


@fault(
    "the channel layer overflows",
    "It keeps lists of at most two messages per process; 300 events are published at once.",
    env={"CHANNEL_LAYER": "redis", "LAYER_CAPACITY": "2"},
)
async def layer_overflows(testbed: Testbed) -> float:
    refills_before = await testbed.counters("realtime_hub_refills_total")
    received_before = await testbed.counters("realtime_hub_received_total")
    await testbed.publisher.burst(300)
    ended = testbed.now()
    await asyncio.sleep(1)
    refills = await testbed.counters("realtime_hub_refills_total") - refills_before
    received = await testbed.counters("realtime_hub_received_total") - received_before
    dropped = 300 * len(testbed.deployment.paths.names) - received
    testbed.expect(dropped > 0 and refills, "the layer dropped nothing")
    testbed.notes.append(
        f"the layer dropped about {dropped:.0f} of 600 messages; refills: {refills:.0f}"
    )
    return ended


# --- Clients ----------------------------------------------------------------------------------


async def _expect_no_traffic(testbed: Testbed, seconds: float) -> None:
    """Wait `seconds`; expect no event except those already on their way at the beginning."""
    await asyncio.sleep(UNDER_WAY)
    arrived, published = testbed.arrived, testbed.publisher.answered
    await asyncio.sleep(seconds - UNDER_WAY)
    testbed.expect(testbed.arrived == arrived, "events crossed stalled connections")
    testbed.expect(testbed.publisher.answered > published, "nothing was published during the stall")


@fault(
    "clients stall for 10 s",
    "Their connections stay open, but no bytes cross; then all bytes are delivered.",
    tapped=True,
)
async def clients_stall(testbed: Testbed) -> None:
    testbed.tap.stall()
    await _expect_no_traffic(testbed, PAUSE)
    testbed.tap.resume()


@fault(
    "connections half-open",
    "As when a NAT drops its entries: no bytes cross any more, and neither end gets an error. "
    "A client reconnects after 45 s without data, three heartbeats; recovery counts from then.",
    tapped=True,
)
async def clients_half_open(testbed: Testbed) -> float:
    start = testbed.now()
    testbed.tap.stall()
    await _expect_no_traffic(testbed, PAUSE)
    return start + SILENCE


@fault(
    "clients fall behind the history",
    f"They stall while 120 events are published to a history of {HISTORY}, and are then cut.",
    env={"HISTORY_LENGTH": str(HISTORY)},
    tapped=True,
    resets=True,
)
async def clients_fall_off(testbed: Testbed) -> None:
    testbed.tap.stall()
    await testbed.publisher.burst(3 * HISTORY)
    await _expect_no_traffic(testbed, OUTAGE)
    testbed.tap.resume()
    # A resumed connection still delivers the bytes sent before the stall, so it may catch up.
    # Cut it: its client then resumes from a cursor that the history no longer has.
    testbed.tap.cut()


# --- The worker, and the clock ----------------------------------------------------------------


@fault(
    "the worker killed in a task",
    "SIGKILL in the middle of a conversation of 20 lines; the next worker claims the task when "
    "the lease of 15 s has expired.",
)
async def worker_killed(testbed: Testbed) -> float:
    url = await testbed.task(
        "conversation", room=testbed.publisher.room, lines=TASK_LINES, pause=0.2
    )

    async def task() -> dict[str, object]:
        with contextlib.suppress(httpx.TransportError, ValueError):
            return dict((await testbed.http.get(url, headers=testbed.deployment.staff())).json())
        return {}

    async def begun() -> bool:
        return int(str((await task()).get("progress", 0))) >= 3

    async def done() -> bool:
        return (await task()).get("status") == "done"

    await poll_until(begun)
    testbed.process("worker").kill()
    ended = testbed.now()
    await poll_until(done)
    attempts = (await task())["attempts"]
    testbed.expect(int(str(attempts)) > 1, "its task was done at the first attempt")
    testbed.notes.append(
        f"its task was done at attempt {attempts}, after {testbed.now() - ended:.1f} s"
    )
    return ended


@fault(
    "the clock steps",
    "For every Python process: an hour ahead, an hour behind, two days ahead, and back.",
)
async def clock_steps(testbed: Testbed) -> float:
    for seconds in (3_600.0, -3_600.0, 2 * 86_400.0, 0.0):
        testbed.step_clock(seconds)
        await asyncio.sleep(3)
    ended = testbed.now()
    times = [event.published_at for event in testbed.publisher.acknowledged.values()]
    testbed.expect(max(times) - min(times) > 2 * 86_400.0, "no clock has stepped")
    return ended


BY_NAME = {fault.name: fault for fault in FAULTS}
