"""Redis failover: events of the former master are never confused with later ones."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import pytest
from channels.exceptions import ChannelFull
from redis.exceptions import RedisError

from faults.failover import Failover, Node, until
from faults.ledger import ClientLedger
from realtime_demo.production import programs
from tests.support.program import available
from tests.support.waiting import BOUND, until_async
from transports.events import Draft, Event
from transports.store.base import StoreUnavailable
from transports.store.redis.connection import Sentinels
from transports.store.redis.layer import RedisChannelLayer
from transports.store.redis.pubsub import PubSubChannelLayer
from transports.store.redis.store import RedisStore
from transports.store.redis.url import layer_host

pytestmark = [pytest.mark.own_server, pytest.mark.redis, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def failover(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failover]:
    available(programs.redis_server)
    with Failover(tmp_path_factory.mktemp("failover")) as running:
        yield running


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex


@pytest.fixture
async def log(failover: Failover, prefix: str) -> AsyncIterator[RedisStore]:
    history = RedisStore(failover.url, length=9, backlog=4, expiry=600, prefix=prefix)
    yield history
    await history.close()


@pytest.fixture
async def outdated(failover: Failover, prefix: str) -> AsyncIterator[RedisStore]:
    """Yield the store of another process, connected, which no longer queries the Sentinels."""
    history = RedisStore(failover.url, length=9, backlog=4, expiry=600, prefix=prefix)
    await history.read("r", None)
    cast(Any, history._reader.connection_pool)._queried_at = float("inf")
    yield history
    await history.close()


async def promote(failover: Failover) -> None:
    """Promote the replica; the former master is still running, and not yet demoted."""
    replica = await asyncio.to_thread(failover.promote_replica)
    await asyncio.to_thread(until, lambda: failover.promoted(replica))


async def publish(log: RedisStore, *texts: str) -> list[Event]:
    """Publish the texts, each as soon as the store accepts it."""
    events = []
    for text in texts:
        async with asyncio.timeout(BOUND):
            while True:
                try:
                    events.append(await log.append(Draft("r", "ada", text)))
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
    return events


async def texts(log: RedisStore, since: Event | None) -> list[str]:
    """Return the texts of the events after `since`; "" for a `reset`."""
    batch = await log.read("r", since.cursor if since else None)
    return ["" if event.type == "reset" else event.text for event in batch.events]


async def test_events_lost_with_the_master_cause_a_reset(
    failover: Failover, log: RedisStore
) -> None:
    master = failover.master
    replicated = await publish(log, "1", "2")
    failover.cut_off()
    lost = await publish(log, "3", "4")  # acknowledged, but never replicated
    clients = {event.id: ClientLedger(event.cursor) for event in (*replicated, *lost)}
    replica = failover.kill_master()
    await asyncio.to_thread(until, lambda: failover.promoted(replica))

    after = await publish(log, "5", "6", "7")
    head = after[-1].cursor
    assert [event.cursor.seq for event in after] == [3, 4, 5], "the numbers are reused"
    assert {event.cursor.epoch for event in after}.isdisjoint(e.cursor.epoch for e in lost)
    for identity, ledger in clients.items():
        batch = await log.read("r", ledger.position)
        assert batch.cursor == head
        for event in batch.events:
            ledger.take(event)
        ledger.close(head)
        assert (ledger.lost, ledger.duplicated, ledger.out_of_order) == (0, 0, 0), identity
        assert (ledger.resets, ledger.uncounted) == (1, 1), identity
    assert await texts(log, replicated[0]) == ["2", "", "5", "6", "7"], "replicated events remain"
    assert await texts(log, None) == ["2", "", "5", "6", "7"], "the last four"
    assert await log.find("r", lost[0].cursor) is None
    assert await log.find("r", replicated[0].cursor) == replicated[0]
    assert (await log.read("r", head)).events == ()
    assert (await log.heads(["r"]))["r"] == head

    failover.serve(master, replica)
    await asyncio.to_thread(until, lambda: failover.follows(master))


async def test_a_planned_failover_loses_nothing(
    failover: Failover, log: RedisStore, prefix: str
) -> None:
    before = await publish(log, "1", "2")
    former = failover.master
    await promote(failover)
    # The reset comes at once, before the next event.
    await until_async(lambda: texts(log, before[-1]))
    batch = await log.read("r", before[-1].cursor)
    assert [(event.type, event.missed, event.cursor) for event in batch.events] == [
        ("reset", None, batch.cursor)
    ]
    assert batch.cursor.seq == 2
    (third,) = await publish(log, "3")
    assert third.cursor == (batch.cursor.epoch, 3)
    assert (await log.read("r", batch.cursor)).events == (third,)
    assert await texts(log, before[0]) == ["2", "", "3"]

    # Later connections read the stored epoch, and begin no new one.
    reopened = RedisStore(failover.url, length=9, backlog=4, expiry=600, prefix=prefix)
    assert [event.cursor for event in await publish(reopened, "4")] == [(third.cursor.epoch, 4)]
    await reopened.close()
    await asyncio.to_thread(failover.demote, former)


async def test_a_former_master_repeats_no_events(
    failover: Failover, log: RedisStore, outdated: RedisStore
) -> None:
    """A client moves from a server at the new master to a server at the former master."""
    before = await publish(log, "1", "2")
    former = failover.master
    await promote(failover)
    await until_async(lambda: texts(log, before[-1]))
    batch = await log.read("r", before[-1].cursor)
    assert batch.cursor.epoch != before[-1].cursor.epoch
    assert await texts(outdated, before[0]) == ["2"], "it reads the former master"

    assert former.replication()["role"] == "master", "a demotion would cut all connections"
    later = await outdated.read("r", batch.cursor)
    assert (later.events, later.cursor) == ((), batch.cursor)
    assert await texts(outdated, before[0]) == ["2", ""], "from now on it reads the new master"
    await asyncio.to_thread(failover.demote, former)


async def test_the_newest_configuration_names_the_master(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentinels disagree, and one never responds."""
    sentinels: Any = Sentinels([("one", 1), ("two", 2), ("three", 3), ("four", 4)])  # type: ignore[no-untyped-call]
    never = asyncio.Event()

    def answer(sentinel: int, epoch: int, **state: bool) -> None:
        async def masters() -> dict[str, Any]:
            flags = {"is_master": True, "is_sdown": False, "is_odown": False, **state}
            where = {"ip": "127.0.0.1", "port": 7000 + epoch, "num-other-sentinels": 3}
            return {"mine": {"config-epoch": epoch, **where, **flags}}

        monkeypatch.setattr(sentinels.sentinels[sentinel], "sentinel_masters", masters)

    async def unavailable() -> None:
        raise RedisError("unavailable")

    monkeypatch.setattr(sentinels.sentinels[0], "sentinel_masters", never.wait)
    monkeypatch.setattr(sentinels.sentinels[1], "sentinel_masters", unavailable)
    answer(2, 1)
    answer(3, 2)
    assert await sentinels.discover_master("mine") == ("127.0.0.1", 7002)
    answer(3, 2, is_sdown=True)
    with pytest.raises(RedisError, match="2 of 4 Sentinels responded"):  # not the former master
        await sentinels.discover_master("mine")
    answer(2, 2)
    assert await sentinels.discover_master("mine") == ("127.0.0.1", 7002)
    monkeypatch.setattr(sentinels.sentinels[2], "sentinel_masters", unavailable)
    monkeypatch.setattr(sentinels.sentinels[3], "sentinel_masters", unavailable)
    monkeypatch.setattr(sentinels.sentinels[0], "sentinel_masters", unavailable)
    with pytest.raises(RedisError, match="0 of 4 Sentinels responded"):
        await sentinels.discover_master("mine")


@pytest.mark.parametrize("kind", ["lists", "pub/sub"])
async def test_the_channel_layer_follows_the_master(kind: str, failover: Failover) -> None:
    """The layer's reader waits at the former master, which is running and not yet demoted."""
    prefix = uuid.uuid4().hex
    layer: Any = PubSubChannelLayer(failover.url, prefix)
    if kind == "lists":
        host = layer_host(failover.url, socket_timeout=3600)
        layer = RedisChannelLayer(hosts=[host], prefix=prefix)
        layer.brpop_timeout = 3600  # seconds until it would reconnect by itself
    channel = await layer.new_channel()
    waiting = asyncio.create_task(layer.receive(channel))
    former = failover.master
    await until_async(lambda: asyncio.to_thread(is_waited_at, former, prefix))
    await promote(failover)

    async def sent_until(receiving: asyncio.Task[Any]) -> bool:
        with contextlib.suppress(RedisError, ChannelFull):
            await layer.send(channel, {"type": "wake"})
        return receiving.done()

    await until_async(lambda: sent_until(waiting))
    assert former.replication()["role"] == "master", "a demotion would cut all connections"
    with contextlib.suppress(RedisError):
        await waiting
    receiving = asyncio.create_task(layer.receive(channel))
    await until_async(lambda: sent_until(receiving))
    assert await receiving == {"type": "wake"}
    await (layer.close_pools() if kind == "lists" else layer.flush())
    await asyncio.to_thread(failover.demote, former)


def is_waited_at(node: Node, prefix: str) -> bool:
    """Return whether a layer's reader waits at the node."""
    is_blocked = node.client.info("clients")["blocked_clients"]
    return bool(is_blocked or node.client.pubsub_channels(f"{prefix}:*"))


async def test_a_replica_is_rejected(failover: Failover) -> None:
    replica = failover.replica
    await asyncio.to_thread(until, lambda: failover.follows(replica))
    history = RedisStore(
        f"redis://127.0.0.1:{replica.port}/0", length=9, backlog=9, expiry=60, prefix="p"
    )
    with pytest.raises(StoreUnavailable, match="replica"):
        await history.read("r", None)
    await history.close()
