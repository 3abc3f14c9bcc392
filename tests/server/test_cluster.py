"""Redis Cluster: the store, the channel layer and presence, through failover and resharding.

The channel layer on pub/sub is tested on one server too.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import RedisError

from faults.cluster import Cluster
from faults.failover import until
from faults.ledger import ClientLedger
from realtime_demo.ports import free_port
from realtime_demo.production import programs
from tests.support import waiting
from tests.support.program import available
from tests.support.redis_server import RedisServer
from tests.support.waiting import BOUND
from transports.events import Draft, Event
from transports.presence.base import Person
from transports.presence.redis import RedisPeople
from transports.store.base import StoreUnavailable, group_of
from transports.store.redis.cluster import ClusterStore
from transports.store.redis.cluster_client import bucket_of
from transports.store.redis.pubsub import PubSubChannelLayer
from transports.store.redis.store import RedisStore
from transports.store.redis.url import InvalidRedisURL, cluster_nodes, is_cluster

pytestmark = [pytest.mark.own_server, pytest.mark.redis, pytest.mark.timeout(120)]
ROOMS = [f"room-{number}" for number in range(12)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    available(programs.redis_server)
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
async def log(cluster: Cluster) -> AsyncIterator[ClusterStore]:
    prefix = uuid.uuid4().hex
    store = ClusterStore(cluster.url, length=9, backlog=4, expiry=600, prefix=prefix)
    yield store
    await store.close()


@pytest.fixture(params=["cluster", "redis_server"])
async def layer(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    url = request.getfixturevalue(request.param).url
    layer = PubSubChannelLayer(url, prefix=uuid.uuid4().hex, capacity=3)
    yield layer
    await layer.flush()


def slot_of(room: str) -> int:
    return key_slot(b"%d" % bucket_of(group_of(room)))


async def publish(log: ClusterStore, *texts: str, room: str = "r") -> list[Event]:
    """Publish the texts, each as soon as the store accepts it, once."""
    events = []
    for text in texts:
        async with asyncio.timeout(BOUND):
            while True:
                with contextlib.suppress(StoreUnavailable):
                    key = f"{room}:{text}"
                    event = await log.append_once(key, Draft(room, "ada", text))
                    if event is None:  # the response to an earlier attempt was lost
                        identity = await log.identity(room, key)
                        batch = await log.read(room, None)
                        event = next(each for each in batch.events if each.id == identity)
                    events.append(event)
                    break
                await asyncio.sleep(0.05)
    return events


# --- The store and presence ---------------------------------------------------------------------


async def test_rooms_are_on_all_masters(cluster: Cluster, log: ClusterStore) -> None:
    masters = {cluster.master_of(slot_of(room)).port for room in ROOMS}
    assert len(masters) == 3
    events = await asyncio.gather(*(publish(log, "1", "2", "3", room=room) for room in ROOMS))
    for room, (first, _, last) in zip(ROOMS, events, strict=True):
        assert [event.cursor.seq for event in await publish(log, "3", "4", room=room)] == [3, 4]
        assert [event.text for event in (await log.read(room, last.cursor)).events] == ["4"]
        assert await log.find(room, first.cursor) == first
        assert await log.identity(room, f"{room}:1") == first.id
    assert await log.rooms() == sorted(ROOMS)
    heads = await log.heads([*ROOMS, "empty"])
    assert {heads.pop("empty").seq} == {0}
    assert {room: head.seq for room, head in heads.items()} == dict.fromkeys(ROOMS, 4)
    assert await log.heads([]) == {}


async def test_an_unreachable_cluster_is_unavailable() -> None:
    url = f"redis+cluster://127.0.0.1:{free_port()}"
    store = ClusterStore(url, length=9, backlog=4, expiry=600, prefix="p")
    calls: list[Any] = [store.read("r", None), store.append(Draft("r", "ada", "x"))]
    for call in (*calls, store.heads(["r"]), store.heads([]), store.rooms()):
        with pytest.raises(StoreUnavailable):
            await call
    await store.close()


async def test_connections_are_closed_after_an_error(cluster: Cluster) -> None:
    def connections() -> set[tuple[int, str]]:
        connected = set()
        for node in cluster.nodes:
            with contextlib.suppress(RedisError):  # another test may have restarted it just now
                for each in node.client.client_list(_type="normal"):
                    connected.add((node.port, each["id"]))
        return connected

    before = connections()
    store = ClusterStore(cluster.url, length=9, backlog=4, expiry=600, prefix=uuid.uuid4().hex)
    for room in ROOMS:
        await publish(store, "1", room=room)
    master = cluster.master_of(slot_of(ROOMS[0]))
    master.client.client_kill_filter(_type="normal", skipme=True)
    with contextlib.suppress(StoreUnavailable):
        await store.append(Draft(ROOMS[0], "ada", "2"))
    assert connections() - before, "to the other masters"
    await store.close()
    await waiting.until(lambda: not connections() - before)


async def test_people_share_a_slot(log: ClusterStore) -> None:
    people = RedisPeople(log.redis, prefix=log.shared_prefix)
    ada = Person("r", "ada")
    assert await people.hold([ada]) == [ada]
    assert await people.report({"r": 1}) == []
    assert (await people.others()).people == {ada}
    assert await people.release([ada]) == [ada]


# --- The channel layer: the contract of Channels -----------------------------------------------


async def receive(layer: Any, channel: str) -> Any:
    async with asyncio.timeout(BOUND):
        return await layer.receive(channel)


async def until_sent(receiving: asyncio.Task[Any], send: Callable[[], Awaitable[None]]) -> None:
    """Send until a message arrives: the subscription may still be on its way."""
    async with asyncio.timeout(BOUND):
        while not receiving.done():
            await send()
            await asyncio.wait({receiving}, timeout=0.1)


async def is_silent(layer: Any, channel: str) -> bool:
    """Return whether the channel is empty, by a message that follows."""
    await layer.send(channel, {"type": "last"})
    return bool((await receive(layer, channel))["type"] == "last")


async def test_a_channel_receives_in_order(layer: Any) -> None:
    channel = await layer.new_channel("some")
    assert channel.startswith("some.") and "!" in channel
    assert channel != await layer.new_channel("some")
    for number in range(3):
        await layer.send(channel, {"type": "a", "number": number, "bytes": b"\xff"})
    for number in range(3):
        message = await receive(layer, channel)
        assert message == {"type": "a", "number": number, "bytes": b"\xff"}


async def test_a_full_channel_drops_its_oldest_messages(layer: Any) -> None:
    channel, other = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("g", channel)
    await layer.group_add("g", other)
    for number in range(5):
        await layer.group_send("g", {"type": "a", "number": number})
        assert (await receive(layer, other))["number"] == number  # so it is in both channels
    received = [(await receive(layer, channel))["number"] for _ in range(3)]
    assert received == [2, 3, 4]


async def test_a_group_has_its_members(layer: Any) -> None:
    one, two, three = [await layer.new_channel() for _ in range(3)]
    for channel in (one, two):
        await layer.group_add("g", channel)
        await layer.group_add("g", channel)
    await layer.group_add("g-2", three)
    await layer.group_discard("g", two)
    await layer.group_discard("g", "unknown!channel")
    await layer.group_send("g", {"type": "a"})
    assert await receive(layer, one) == {"type": "a"}
    assert await is_silent(layer, one)
    assert await is_silent(layer, two)
    assert await is_silent(layer, three)


async def test_a_cancelled_receive_closes_the_channel(layer: Any) -> None:
    channel, other = await layer.new_channel(), await layer.new_channel()
    for each in (channel, other):
        await layer.group_add("g", each)
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    receiving = asyncio.create_task(layer.receive(channel))
    await layer.group_send("g", {"type": "a"})
    assert await receive(layer, other) == {"type": "a"}
    await until_sent(receiving, lambda: layer.send(channel, {"type": "last"}))
    assert await receiving == {"type": "last"}, "it is a new channel, in no group"


async def test_an_append_wakes_the_group_of_its_room(layer: Any) -> None:
    """The script sends one message for all appends of one turn of the loop."""
    kind = ClusterStore if is_cluster(layer.url) else RedisStore
    options = {"length": 9, "backlog": 9, "expiry": 600, "prefix": layer.prefix}
    store = kind(layer.url, channel_of=layer.channel_of, **options)
    channel = await layer.new_channel()
    await layer.group_add(group_of("r"), channel)
    drafts = [Draft("r", "ada", text) for text in ("1", "2\n", "안녕")]
    once = store.append_once("k", drafts[0]), store.append_once("k", drafts[0])
    first, second, *others = await asyncio.gather(*once, *map(store.append, drafts[1:]))
    assert store.wakes and first is not None and second is None
    message = await receive(layer, channel)
    events = [Event.decode(line.encode()) for line in message["event"].split("\n")]
    assert events == [first, *others]
    assert message["id"] == events[-1].id
    assert await store.append_once("k", drafts[0]) is None
    assert await is_silent(layer, channel)
    await store.close()


@pytest.mark.parametrize("layer", ["redis_server"], indirect=True)
async def test_a_cut_connection_is_reported(
    layer: Any, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """`losses` grows once the channel receives again, and the log has one line."""
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    losses = layer.losses
    redis_server.client.client_kill_filter(_type="pubsub")
    await waiting.until(lambda: layer.losses > losses)
    await layer.group_send("g", {"type": "a"})
    assert await receive(layer, channel) == {"type": "a"}
    (record,) = caplog.records
    assert "Messages of Redis are not received" in record.message and record.exc_info is None


@pytest.mark.parametrize("name", ["no spaces", "~", "x" * 101, 1])
async def test_invalid_names_are_rejected(layer: Any, name: Any) -> None:
    for call in (layer.send(name, {}), layer.receive(name), layer.group_send(name, {})):
        with pytest.raises(TypeError):
            await call
    for call in (layer.group_add(name, "c"), layer.group_add("g", name)):
        with pytest.raises(TypeError):
            await call


# --- Resharding and failover --------------------------------------------------------------------


async def move(cluster: Cluster, slot: int) -> None:
    source = cluster.master_of(slot)
    target = await asyncio.to_thread(cluster.other_master, source)
    assert await asyncio.to_thread(cluster.move, slot, source, target)


async def test_a_slot_that_moves_loses_nothing(cluster: Cluster, log: ClusterStore) -> None:
    (first,) = await publish(log, "0")
    publishing = asyncio.create_task(publish(log, *map(str, range(1, 9))))
    await move(cluster, slot_of("r"))
    events = await publishing
    assert [event.cursor.seq for event in events] == list(range(2, 10))
    assert (await log.read("r", first.cursor)).events == tuple(events)


@pytest.mark.parametrize("layer", ["cluster"], indirect=True)
async def test_the_layer_follows_a_slot_that_moves(cluster: Cluster, layer: Any) -> None:
    channel = await layer.new_channel()
    await layer.group_add("g", channel)
    key = layer.channel_of("g")
    slot = key_slot(key.encode())
    cluster.master_of(slot).client.set(key, "a key to move")
    await move(cluster, slot)
    receiving = asyncio.create_task(layer.receive(channel))
    await until_sent(receiving, lambda: layer.group_send("g", {"type": "a"}))
    assert await receiving == {"type": "a"}


async def test_events_lost_with_a_master_cause_a_reset(cluster: Cluster, log: ClusterStore) -> None:
    master = cluster.master_of(slot_of("r"))
    replicated = await publish(log, "1", "2")
    replica = await asyncio.to_thread(cluster.cut_off, master)
    lost = await publish(log, "3", "4")  # acknowledged, but never replicated
    ledgers = [ClientLedger(event.cursor) for event in (*replicated, *lost)]
    master.end(signal.SIGKILL)
    replica.signal(signal.SIGCONT)
    await asyncio.to_thread(until, lambda: cluster.is_master(replica))

    before = (await log.read("r", lost[-1].cursor)).events
    assert [event.type for event in before] == ["reset"], "no event is repeated"
    after = await publish(log, "5", "6", "7")
    assert [event.cursor.seq for event in after] == [3, 4, 5], "the numbers are reused"
    assert {event.cursor.epoch for event in after}.isdisjoint(e.cursor.epoch for e in lost)
    for ledger in ledgers:
        batch = await log.read("r", ledger.position)
        for event in batch.events:
            ledger.take(event)
        ledger.close(after[-1].cursor)
        assert (ledger.lost, ledger.duplicated, ledger.out_of_order) == (0, 0, 0)
        assert (ledger.resets, ledger.uncounted) == (1, 1)
    cluster.serve(master)
    await asyncio.to_thread(until, lambda: cluster.follows(master, replica))


async def test_a_slot_that_moves_to_a_promoted_node_causes_no_reset(
    cluster: Cluster, log: ClusterStore
) -> None:
    slot = slot_of("r")
    target = await asyncio.to_thread(cluster.other_master, cluster.master_of(slot))
    promoted = await asyncio.to_thread(cluster.replica_of, target)
    await asyncio.to_thread(cluster.promote, promoted)
    (first,) = await publish(log, "1")
    await asyncio.to_thread(cluster.move, slot, cluster.master_of(slot), promoted)
    (second,) = await publish(log, "2")
    assert (await log.read("r", first.cursor)).events == (second,)


async def test_a_promoted_node_begins_no_epoch_in_a_new_room(
    cluster: Cluster, log: ClusterStore
) -> None:
    master = cluster.master_of(slot_of("r"))
    replica = await asyncio.to_thread(cluster.replica_of, master)
    await asyncio.to_thread(cluster.promote, replica)
    start = (await log.read("r", None)).cursor
    (event,) = await publish(log, "1")
    assert (await log.read("r", start)).events == (event,)


async def test_a_promoted_node_that_restarts_begins_an_epoch(
    cluster: Cluster, log: ClusterStore
) -> None:
    slot = slot_of("r")
    (first,) = await publish(log, "1")
    master = cluster.master_of(slot)
    replica = await asyncio.to_thread(cluster.cut_off, master)
    (lost,) = await publish(log, "2")
    master.end(signal.SIGKILL)
    replica.signal(signal.SIGCONT)
    await asyncio.to_thread(until, lambda: cluster.is_master(replica))
    replica.end(signal.SIGTERM)  # `INFO replication` forgets the promotion
    cluster.serve(replica)
    (second,) = await publish(log, "3")
    assert second.cursor.seq == lost.cursor.seq
    assert not second.cursor.belongs_to(lost.cursor.epoch)
    events = (await log.read("r", first.cursor)).events
    assert [event.type for event in events] == ["reset", "message"]
    cluster.serve(master)


# --- The URL ------------------------------------------------------------------------------------


def test_url_of_a_cluster() -> None:
    nodes, options = cluster_nodes("rediss+cluster://ada:p%40ss@one,two:7001?ssl_ca_certs=/ca")
    assert nodes == [("one", 6379), ("two", 7001)]
    expected = {"username": "ada", "password": "p@ss", "ssl": True, "ssl_ca_certs": "/ca"}
    assert options == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis+cluster://one:7000/3", "only database 0"),
        ("redis+cluster://one:seven", "numbers"),
        ("redis+cluster://", "host:port"),
        ("redis+cluster://one?db=1", "unknown options: db"),
        ("redis://one", "redis\\+cluster"),
    ],
)
def test_an_invalid_url_of_a_cluster_is_explained(url: str, message: str) -> None:
    with pytest.raises(InvalidRedisURL, match=message):
        cluster_nodes(url)
