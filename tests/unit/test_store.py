"""The interface of the stores; each test runs over both stores."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import AbstractConnection

from realtime_demo.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.waiting import until_async
from tests.unit.stores import BACKLOG, LENGTH, history_of
from transports.events import Cursor, Draft, Event
from transports.store import memory
from transports.store.base import Extent, Store, StoreUnavailable
from transports.store.memory import MemoryStore
from transports.store.redis import promotion as redis_promotion
from transports.store.redis.store import RedisStore


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    url = request.getfixturevalue("redis_server").url if request.param == "redis" else ""
    async with history_of(request.param, url) as history:
        yield history


async def fill(log: Store, count: int, room: str = "r") -> list[Event]:
    return [await log.append(Draft(room, "ada", str(n))) for n in range(count)]


async def test_numbers_are_dense_from_one(log: Store) -> None:
    events = await fill(log, 3)
    assert [event.cursor.seq for event in events] == [1, 2, 3]
    assert len({event.cursor.epoch for event in events}) == 1
    assert (await log.read("r", Cursor(events[0].cursor.epoch, 0))).events == tuple(events)


async def test_numbers_are_dense_under_concurrency(log: Store) -> None:
    events = await asyncio.gather(*(log.append(Draft("r", "ada", "x")) for _ in range(10)))
    assert sorted(event.cursor.seq for event in events) == list(range(1, 11))


@pytest.mark.redis
async def test_appends_of_one_turn_share_a_round_trip(redis_server: RedisServer) -> None:
    """The appends to one room share one call of the script.

    They keep their order; each has its own result; a cancelled caller cancels no other.
    """
    wrong_type = "not-a-stream"
    rooms = ["a", "b", wrong_type, "a", "b", "a"]
    async with history_of("redis", redis_server.url, prefix=(prefix := uuid.uuid4().hex)) as log:
        await fill(log, 1)  # opens the connections
        client: Any = redis_server.client
        client.set(f"{prefix}:room:{wrong_type}", "string")
        client.script_flush()
        with client.monitor() as monitor:
            appends = [asyncio.create_task(log.append(Draft(room, "ada", ""))) for room in rooms]
            await asyncio.sleep(0)
            appends[0].cancel()
            results = await asyncio.gather(*appends, return_exceptions=True)
            client.echo("end")
            callers = []  # an address for each call of the script
            while (command := monitor.next_command())["command"] != "ECHO end":
                if command["command"].startswith("EVAL") and prefix in command["command"]:
                    callers.append((command["client_address"], command["client_port"]))
        assert isinstance(results[0], asyncio.CancelledError)
        assert isinstance(results[2], StoreUnavailable)
        events = [result for result in results if isinstance(result, Event)]
        assert [(event.room, event.cursor.seq) for event in events] == [
            ("b", 1),
            ("a", 2),
            ("b", 2),
            ("a", 3),
        ]
        assert len(callers) == len(set(rooms)) and len(set(callers)) == 1, "one connection"


async def test_a_key_is_used_once(log: Store) -> None:
    first = await log.append_once("k", Draft("r", "ada", "1"))
    assert first is not None
    assert await log.append_once("k", Draft("r", "ada", "1")) is None
    other = await log.append_once("l", Draft("r", "ada", "2"))
    assert other is not None
    assert [first.cursor.seq, other.cursor.seq] == [1, 2], "a rejected append uses no number"
    assert (await log.read("r", None)).events == (first, other)


async def test_a_key_is_used_once_under_concurrency(log: Store) -> None:
    many = await asyncio.gather(*(log.append_once("k", Draft("r", "ada", "x")) for _ in range(10)))
    assert len([event for event in many if event is not None]) == 1


async def test_a_key_expires(log: Store) -> None:
    async def anew() -> Event | None:
        return await log.append_once("k", Draft("r", "ada", "x"), remember=1)

    assert await anew() is not None
    await until_async(anew)
    assert len((await log.read("r", None)).events) == 2


async def test_rooms_are_listed(log: Store) -> None:
    assert await log.rooms() == []
    for room in ("b", "a", "a-1"):
        await fill(log, 1, room)
    await log.append_once("k", Draft("a", "ada", "x"))
    assert await log.rooms() == ["a", "a-1", "b"], "keys of append_once are not listed"


async def test_the_backlog_has_the_latest_events(log: Store) -> None:
    events = await fill(log, BACKLOG + 2)
    batch = await log.read("r", None)
    assert batch.events == tuple(events[2:])
    assert batch.cursor == events[-1].cursor


@pytest.mark.parametrize("kind", ["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def test_the_backlog_may_be_empty(kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("redis_server").url if kind == "redis" else ""
    async with history_of(kind, url, backlog=0) as log:
        empty = await log.read("r", None)
        assert (empty.events, empty.cursor.seq) == ((), 0)
        events = await fill(log, 2)
        batch = await log.read("r", None)
        assert (batch.events, batch.cursor) == ((), events[-1].cursor)
        assert (await log.read("r", empty.cursor)).events == tuple(events)


async def test_the_cursor_of_an_empty_room_stays_valid(log: Store) -> None:
    empty = await log.read("r", None)
    assert empty.events == ()
    assert empty.cursor.seq == 0
    assert (await log.heads(["r"]))["r"] == empty.cursor
    events = await fill(log, 2)
    assert (await log.read("r", empty.cursor)).events == tuple(events), "no reset"
    assert (await log.heads(["r", "other"])) == {"r": events[-1].cursor, "other": empty.cursor}


async def test_a_reset_counts_trimmed_events(log: Store) -> None:
    events = await fill(log, LENGTH + 5)
    reset, *rest = (await log.read("r", events[1].cursor)).events
    assert (reset.type, reset.missed) == ("reset", 3)
    assert rest == events[5:]
    assert reset.cursor.seq == 5, "its id is the cursor before the next event"
    assert list((await log.read("r", events[4].cursor)).events) == events[5:], "not trimmed yet"


async def test_a_reset_counts_from_before_the_first_event(log: Store) -> None:
    empty = await log.read("r", None)
    await fill(log, LENGTH + 5)
    assert (await log.read("r", empty.cursor)).events[0].missed == 5


@pytest.mark.parametrize("cursor", [Cursor("other", 3), Cursor("other", 0)])
async def test_another_epoch_causes_a_reset(log: Store, cursor: Cursor) -> None:
    events = await fill(log, 2)
    reset, *rest = (await log.read("r", cursor)).events
    assert (reset.type, reset.missed) == ("reset", None)
    assert rest == events
    (alone,) = (await log.read("empty", cursor)).events
    assert alone.type == "reset"


async def test_all_texts_are_stored_unchanged(log: Store) -> None:
    text = '안녕 \0 \u2028 😀 "quoted" \\ \'] }} %s'
    event = await log.append(Draft("r", "ada", text, "announcement"))
    assert (await log.read("r", None)).events == (event,)


async def test_a_flushed_store_differs_from_an_empty_one(redis_server: RedisServer) -> None:
    """After a flush every cursor gets a reset, even one of an empty room."""
    prefix = uuid.uuid4().hex
    async with history_of("redis", redis_server.url, prefix=prefix) as log:
        assert isinstance(log, RedisStore)
        empty = (await log.read("quiet", None)).cursor
        (event,) = await fill(log, 1)
        for key in redis_server.client.scan_iter(f"{prefix}:*"):
            redis_server.client.delete(key)
        (after,) = await fill(log, 1, "quiet")
        assert [e.type for e in (await log.read("quiet", empty)).events] == ["reset", "message"]
        assert [e.type for e in (await log.read("r", event.cursor)).events] == ["reset"]
        assert after.cursor.seq == 1


async def test_memory_evicts_the_least_recently_used_room() -> None:
    log = MemoryStore(length=LENGTH, backlog=BACKLOG, max_rooms=2)
    (first,) = await fill(log, 1, "a")
    await fill(log, 1, "b")
    await log.read("a", None)
    await fill(log, 1, "c")
    assert (await log.read("a", None)).events == (first,)
    assert (await log.read("b", None)).events == (), "the evicted room"
    (again,) = await fill(log, 1, "b")
    assert again.cursor.seq == 1


@pytest.mark.parametrize("many", [False, True])
async def test_memory_distinguishes_evicted_from_new_rooms(
    many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more evictions than the store records, new rooms cause a reset too."""
    monkeypatch.setattr(memory, "EVICTED_LENGTH", 1 if many else 10)
    log = MemoryStore(length=LENGTH, backlog=BACKLOG, max_rooms=1)
    empty = (await log.read("a", None)).cursor
    await fill(log, 2, "a")
    for other in ("b", "c", "d"):
        await fill(log, 1, other)
    assert [event.type for event in (await log.read("a", empty)).events] == ["reset"]
    new_cursor = (await log.heads(["a"]))["a"]
    assert (await log.read("a", new_cursor)).events == (), "the cursor of the evicted room is valid"
    events = await fill(log, 2, "a")
    reset, *rest = (await log.read("a", empty)).events
    assert (reset.type, reset.missed, rest) == ("reset", None, events)
    assert (await log.read("a", new_cursor)).events == tuple(events)
    never = (await log.read("never", empty)).events
    assert [event.type for event in never] == (["reset"] if many else [])


@pytest.mark.redis
@pytest.mark.parametrize("lacking", ["role", "second_repl_offset"])
async def test_a_redis_with_limited_info_is_accepted(
    lacking: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers compatible with Redis may omit fields of INFO."""
    real_execute = redis_promotion._execute

    async def ask(connection: AbstractConnection, *command: str | int) -> bytes:
        lines = (await real_execute(connection, *command)).split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.startswith(lacking.encode()))

    monkeypatch.setattr(redis_promotion, "_execute", ask)
    async with history_of("redis", redis_server.url) as log:
        events = await fill(log, 2)
        assert (await log.read("r", None)).events == tuple(events)


async def test_an_append_without_redis_raises_and_is_not_retried() -> None:
    log = RedisStore(
        f"redis://127.0.0.1:{free_port()}/0", length=9, backlog=9, expiry=9, prefix="x"
    )
    with pytest.raises(StoreUnavailable):
        await log.append(Draft("r", "ada", "x"))
    with pytest.raises(StoreUnavailable):
        await log.read("r", None)
    with pytest.raises(StoreUnavailable):
        await log.heads(["r"])
    await log.close()


@pytest.mark.redis
async def test_a_full_redis_raises_and_uses_no_number(redis_server: RedisServer) -> None:
    client: redis.Redis = redis_server.client
    async with history_of("redis", redis_server.url) as log:
        await fill(log, 1)
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(StoreUnavailable):
                await log.append(Draft("r", "ada", "x"))
            (event,) = (await log.read("r", None)).events
            assert (await log.read("r", event.cursor)).events == (), "reads still work"
            assert (await log.heads(["r"]))["r"] == event.cursor
        finally:
            client.config_set("maxmemory", "0")
        (event,) = await fill(log, 1)
        assert event.cursor.seq == 2, "a rejected append used no number"


@given(
    first=st.integers(1, 50),
    count=st.integers(0, 50),
    seq=st.integers(0, 120),
    epoch=st.sampled_from(["s", "sr", "other"]),
)
def test_each_resumption_is_complete_or_has_a_reset(
    first: int, count: int, seq: int, epoch: str
) -> None:
    """The events follow the cursor without a gap, or a reset counts the missed (None: unknown)."""
    extent = Extent("sr", first, first + count - 1)
    events = [Event(f"sr-{n}", "message", "r", "", "", 0.0) for n in range(first, first + count)]
    batch = extent.batch("r", Cursor(epoch, seq), events)
    numbers = [event.cursor.seq for event in batch.events if event.type != "reset"]
    resets = [event for event in batch.events if event.type == "reset"]
    assert batch.cursor == Cursor("sr", extent.last)
    is_of_epoch = epoch == "sr" or (epoch == "s" and seq == 0)
    if not is_of_epoch or seq > extent.last:
        assert [reset.missed for reset in resets] == [None]
        assert numbers == list(range(first, first + count))
    else:
        missed = resets[0].missed if resets else 0
        assert missed is not None
        assert missed >= 0
        assert numbers == list(range(seq + missed + 1, extent.last + 1))
        assert not (resets and missed == 0)
