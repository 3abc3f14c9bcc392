"""The faults. Each function injects one, and returns when it was over, by the loop's clock."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx
import psutil

from transports.client import SILENCE

from . import database
from .stage import Stage, until, until_asked

OUTAGE = 5.0  # seconds that something stays away
PAUSE = 10.0  # seconds that something stands still
UNDER_WAY = 2.0  # seconds in which what a connection has been given already arrives
STORM = 504  # clients that come back at the same time
TASK_LINES = 20
HISTORY = 40  # events, where a client is to fall off the history


@dataclass(frozen=True)
class Fault:
    """`clients` of each technique; `env` of the deployment's processes; `says` what happens."""

    name: str
    title: str
    says: str
    inject: Callable[[Stage], Awaitable[float]]
    clients: int | None = None  # of each technique, where the fault has its own number
    rate: float | None = None  # events a second, likewise
    env: Mapping[str, str] = field(default_factory=dict)
    tapped: bool = False  # the clients come through the tap
    forgets: bool = False  # Redis itself loses what was acknowledged
    resets: bool = False  # somebody falls off the history, and is told so
    replicated: bool = False  # Redis is a master and a replica, behind Sentinels
    as_staff: bool = False  # everyone has a token, which has to be looked up
    in_short: bool = False


# --- A server -------------------------------------------------------------------------------


async def server_killed(stage: Stage) -> float:
    process = stage.process("server-0")
    process.kill()
    await until(lambda: not _runs(process))
    return stage.now()


async def server_stopped(stage: Stage) -> float:
    process = stage.process("server-1")
    process.terminate()
    await until(lambda: not _runs(process))  # before, nobody may have noticed anything
    return stage.now()


# --- nginx ----------------------------------------------------------------------------------


async def nginx_reloaded(stage: Stage) -> float:
    old = [
        each
        for each in stage.deployment.processes()["nginx"]
        if "worker" in " ".join(each.cmdline())
    ]
    stage.expect(old, "nginx has no worker")
    stage.process("nginx").send_signal(signal.SIGHUP)
    await until(lambda: not any(map(_runs, old)))
    return stage.now()


async def nginx_killed(stage: Stage) -> float:
    old = stage.deployment.processes()["nginx"]
    stage.process("nginx").kill()
    await until(lambda: not any(map(_runs, old)))  # its workers listen as long as they live
    await until_asked(lambda: _answers(stage.deployment.paths.port))
    return stage.now()


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


# --- Redis ----------------------------------------------------------------------------------


async def redis_stopped(stage: Stage) -> float:
    redis = stage.deployment.redis
    await asyncio.to_thread(redis.end, signal.SIGTERM)
    await asyncio.sleep(OUTAGE)
    await asyncio.to_thread(redis.start)
    return stage.now()


async def redis_restarted(stage: Stage) -> float:
    redis = stage.deployment.redis
    await asyncio.to_thread(redis.end, signal.SIGTERM)
    await asyncio.to_thread(redis.start)
    return stage.now()


async def redis_killed(stage: Stage) -> float:
    redis = stage.deployment.redis
    await asyncio.to_thread(redis.end, signal.SIGKILL)
    await asyncio.to_thread(redis.start)
    return stage.now()


async def redis_lost(stage: Stage) -> float:
    redis = stage.deployment.redis
    await asyncio.to_thread(redis.end, signal.SIGKILL)
    shutil.rmtree(stage.deployment.paths.directory / "redis" / "appendonlydir", ignore_errors=True)
    (stage.deployment.paths.directory / "redis" / "appendonly.aof").unlink(missing_ok=True)
    await asyncio.to_thread(redis.start)
    return stage.now()


async def redis_flushed(stage: Stage) -> float:
    await asyncio.to_thread(stage.deployment.redis.client.flushall)
    return stage.now()


async def redis_paused(stage: Stage) -> float:
    refused = stage.publisher.refused
    stage.deployment.redis.signal(signal.SIGSTOP)
    await asyncio.sleep(PAUSE)
    stage.expect(stage.publisher.refused > refused, "no publish was refused")
    stage.deployment.redis.signal(signal.SIGCONT)
    return stage.now()


async def redis_full(stage: Stage) -> float:
    client = stage.deployment.redis.client
    before = str(client.config_get("maxmemory")["maxmemory"])
    client.config_set("maxmemory", "1mb")
    refused = stage.publisher.refused
    await asyncio.sleep(OUTAGE)
    refused = stage.publisher.refused - refused
    stage.notes.append(f"{refused} publishes refused")
    stage.expect(refused, "no publish was refused")
    client.config_set("maxmemory", before)
    return stage.now()


async def layer_overflows(stage: Stage) -> float:
    before = await stage.counters("realtime_hub_refills_total")
    received = await stage.counters("realtime_hub_received_total")
    await stage.publisher.burst(300)
    ended = stage.now()
    await asyncio.sleep(1)
    refills = await stage.counters("realtime_hub_refills_total") - before
    received = await stage.counters("realtime_hub_received_total") - received
    dropped = 300 * len(stage.deployment.paths.names) - received
    stage.expect(dropped > 0 and refills, "the layer dropped nothing")
    stage.notes.append(
        f"the layer dropped about {dropped:.0f} of 600 messages, {refills:.0f} refills"
    )
    return ended


async def redis_failover(stage: Stage) -> float:
    failover = stage.failover
    await asyncio.to_thread(failover.cut_off)
    answered = stage.publisher.answered
    await until(lambda: stage.publisher.answered >= answered + 4)
    former = failover.master
    promoted = await asyncio.to_thread(failover.lose_the_master)
    await until_asked(lambda: asyncio.to_thread(failover.promoted, promoted))
    ended = stage.now()
    failover.serve(former, promoted)
    return ended


async def redis_failover_planned(stage: Stage) -> float:
    promoted = await asyncio.to_thread(stage.failover.plan)
    await until_asked(lambda: asyncio.to_thread(stage.failover.promoted, promoted))
    return stage.now()


# --- The database ---------------------------------------------------------------------------


async def database_away(stage: Stage) -> float:
    file = stage.deployment.paths.directory / "db.sqlite3"
    refused = stage.publisher.refused
    with database.away(file):
        await asyncio.sleep(OUTAGE)
    gone, refused = stage.publisher.refused - refused, stage.publisher.refused
    await asyncio.to_thread(database.lock, file, PAUSE)
    locked = stage.publisher.refused - refused
    stage.notes.append(f"{gone} publishes refused while it was gone, {locked} while locked")
    stage.expect(gone and locked, "no publish was refused")
    return stage.now()


# --- Clients --------------------------------------------------------------------------------


async def _nothing_crosses(stage: Stage, seconds: float) -> None:
    """Return after `seconds` in which nobody was given anything but what was under way."""
    await asyncio.sleep(UNDER_WAY)
    arrived, published = stage.arrived, stage.publisher.answered
    await asyncio.sleep(seconds - UNDER_WAY)
    stage.expect(stage.arrived == arrived, "events crossed connections that stand still")
    stage.expect(stage.publisher.answered > published, "nothing was published meanwhile")


async def clients_stall(stage: Stage) -> float:
    stage.tap.stall()
    await _nothing_crosses(stage, PAUSE)
    stage.tap.resume()
    return stage.now()


async def clients_half_open(stage: Stage) -> float:
    began = stage.now()
    stage.tap.stall()
    await _nothing_crosses(stage, PAUSE)
    return began + SILENCE


async def clients_fall_off(stage: Stage) -> float:
    stage.tap.stall()
    await stage.publisher.burst(3 * HISTORY)
    await _nothing_crosses(stage, OUTAGE)
    stage.tap.resume()
    # What a stalled connection has been given already it brings now, and it is too much for
    # none of them: so they are cut too, and resume from where the history no longer reaches.
    stage.tap.cut()
    return stage.now()


# --- The worker, and the clock ---------------------------------------------------------------


async def worker_killed(stage: Stage) -> float:
    where = await stage.task("conversation", room=stage.publisher.room, lines=TASK_LINES, pause=0.2)

    async def task() -> dict[str, object]:
        with contextlib.suppress(httpx.TransportError, ValueError):
            return dict((await stage.http.get(where, headers=stage.deployment.staff())).json())
        return {}

    async def begun() -> bool:
        return int(str((await task()).get("progress", 0))) >= 3

    async def done() -> bool:
        return (await task()).get("status") == "done"

    await until_asked(begun)
    stage.process("worker").kill()
    ended = stage.now()
    await until_asked(done)
    attempts = (await task())["attempts"]
    stage.expect(int(str(attempts)) > 1, "its task was done at the first attempt")
    stage.notes.append(f"its task done at attempt {attempts}, after {stage.now() - ended:.1f} s")
    return ended


async def clock_steps(stage: Stage) -> float:
    for seconds in (3_600.0, -3_600.0, 2 * 86_400.0, 0.0):
        stage.step_clock(seconds)
        await asyncio.sleep(3)
    ended = stage.now()
    said = [event.published_at for event in stage.publisher.acknowledged.values()]
    stage.expect(max(said) - min(said) > 2 * 86_400.0, "no clock has stepped")
    return ended


FAULTS: tuple[Fault, ...] = (
    Fault(
        "server-killed",
        "a server killed (SIGKILL)",
        "Its clients come back at the other server, through nginx; recovery counts from the kill.",
        server_killed,
        in_short=True,
    ),
    Fault(
        "server-stopped",
        "a server stopped (SIGTERM)",
        "It ends its responses in order, and is started again; recovery counts from its end.",
        server_stopped,
    ),
    Fault(
        "nginx-reloaded",
        "nginx reloaded (SIGHUP)",
        "The old workers keep their connections for `worker_shutdown_timeout`, 10 s, and cut them "
        "then; recovery counts from the end of the last.",
        nginx_reloaded,
    ),
    Fault(
        "storm",
        f"nginx killed, and a storm of {STORM}",
        "Every connection is cut at once, and all of the clients are back as soon as it listens.",
        nginx_killed,
        clients=STORM // 6,
        rate=1.0,
    ),
    Fault(
        "redis-stopped",
        "Redis stopped for 5 s",
        "SIGTERM, and started again from its append-only file five seconds later.",
        redis_stopped,
    ),
    Fault("redis-restarted", "Redis restarted", "SIGTERM, and started at once.", redis_restarted),
    Fault(
        "redis-killed",
        "Redis killed (SIGKILL)",
        "The append-only file has what was acknowledged: it is written before the answer.",
        redis_killed,
        in_short=True,
    ),
    Fault(
        "redis-lost",
        "Redis killed, and its file lost",
        "It comes back empty: everyone is told by a `reset`, which cannot say how much.",
        redis_lost,
        forgets=True,
    ),
    Fault(
        "redis-flushed",
        "Redis flushed (FLUSHALL)",
        "As before, without an outage; the groups of the channel layer are gone too.",
        redis_flushed,
        forgets=True,
        in_short=True,
    ),
    Fault(
        "redis-paused",
        "Redis paused for 10 s (SIGSTOP)",
        "Connections stay open and nothing answers: publishes get 503, and may happen later.",
        redis_paused,
    ),
    Fault(
        "redis-full",
        "Redis's memory full for 5 s",
        "`maxmemory` is set below what is used, with `noeviction`: publishes get 503.",
        redis_full,
    ),
    Fault(
        "redis-failover",
        "Redis's master lost, its replica promoted",
        "The replica is cut off, four events are answered 201, the master is killed (SIGKILL); "
        "three Sentinels promote the replica, which gives their numbers again, in another epoch. "
        "Everyone is told by a `reset`; recovery counts from the promotion.",
        redis_failover,
        replicated=True,
        forgets=True,
    ),
    Fault(
        "redis-failover-planned",
        "Redis's replica promoted (SENTINEL FAILOVER)",
        "With the master alive, which takes nothing without its replica "
        "(`min-replicas-to-write 1`); recovery counts from the promotion.",
        redis_failover_planned,
        replicated=True,
        resets=True,
    ),
    Fault(
        "database-away",
        "the database gone for 5 s, then locked for 10 s",
        "Everyone has a token, which is looked up for each request: publishes, polls and new "
        "connections get 503, open ones stay.",
        database_away,
        as_staff=True,
    ),
    Fault(
        "layer-overflows",
        "the channel layer overflows",
        "It has room for two messages a process, and 300 are published at once.",
        layer_overflows,
        env={"LAYER_CAPACITY": "2"},
    ),
    Fault(
        "clients-stall",
        "clients stall for 10 s",
        "Nothing crosses their connections, which stay open; then all of it does.",
        clients_stall,
        tapped=True,
    ),
    Fault(
        "clients-half-open",
        "connections half-open",
        "As when a NAT forgets them: nothing crosses ever again, and neither end is told. A client "
        "gives up after 45 s of silence, three heartbeats; recovery counts from then.",
        clients_half_open,
        tapped=True,
    ),
    Fault(
        "clients-fall-off",
        "clients fall off the history",
        f"They stall while 120 events pass a history of {HISTORY}, and are cut.",
        clients_fall_off,
        env={"HISTORY_LENGTH": str(HISTORY)},
        tapped=True,
        resets=True,
    ),
    Fault(
        "worker-killed",
        "the worker killed in a task",
        "SIGKILL in the middle of a conversation of 20 lines; the next worker takes it over when "
        "the dead one's lease of 15 s is over.",
        worker_killed,
    ),
    Fault(
        "clock-steps",
        "the clock steps",
        "For every Python process: an hour ahead, an hour behind, two days ahead, and back.",
        clock_steps,
    ),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
