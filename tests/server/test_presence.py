"""Presence: joins and leaves, the list of rooms, and the people of a killed process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.contract.feeds import BOUND, cursor_of, entry_of, events_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import until, until_async
from transports import feed, hub
from transports.events import Draft
from transports.presence import service as presence
from transports.presence.base import People, Person
from transports.presence.memory import MemoryPeople
from transports.presence.redis import RedisPeople
from transports.presence.service import Presence
from transports.registry import TECHNIQUES, Technique

ADA, GRACE = Person("r", "ada"), Person("r", "grace")


# --- The stores --------------------------------------------------------------------------------


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[People]:
    if request.param == "memory":
        yield MemoryPeople()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    async with Redis.from_url(server.url) as redis:
        yield RedisPeople(redis, prefix=uuid.uuid4().hex)


async def test_a_person_is_new_once(store: People) -> None:
    assert await store.hold([ADA]) == [ADA]
    assert await store.hold([ADA, GRACE]) == [GRACE]
    assert (await store.others()).people == {ADA, GRACE}
    assert await store.release([ADA]) == [ADA]
    assert await store.release([ADA]) == []
    assert await store.report({}) == []
    assert (await store.others()).people == {GRACE}
    assert await store.hold([ADA]) == [ADA]


@pytest.mark.redis
async def test_a_person_may_be_in_two_processes(redis_server: RedisServer) -> None:
    prefix = uuid.uuid4().hex
    async with Redis.from_url(redis_server.url) as redis:
        one, two = RedisPeople(redis, prefix=prefix), RedisPeople(redis, prefix=prefix)
        assert await one.hold([ADA]) == [ADA]
        assert await two.hold([ADA]) == []
        assert await one.release([ADA]) == []
        assert await two.release([ADA]) == [ADA]
        await one.report({"r": 2, "s": 1})
        await two.report({"r": 3})
        assert (await one.others()).connections == {"r": 3}
        assert (await two.others()).connections == {"r": 2, "s": 1}


@pytest.mark.redis
async def test_people_of_a_killed_process_are_removed_once(redis_server: RedisServer) -> None:
    prefix = uuid.uuid4().hex
    async with Redis.from_url(redis_server.url) as redis:
        killed = RedisPeople(redis, prefix=prefix, lease=1)
        alive, other = RedisPeople(redis, prefix=prefix), RedisPeople(redis, prefix=prefix)
        await killed.report({"r": 7})
        await killed.hold([ADA, GRACE, Person("s", "name/with slash")])
        await alive.hold([GRACE])
        # If this machine stalled, the lease may have expired already.
        removed = await alive.report({})

        async def are_removed() -> bool:
            reports = await asyncio.gather(alive.report({}), other.report({}))
            removed.extend(person for report in reports for person in report)
            return bool(removed)

        await until_async(are_removed)
        assert sorted(removed) == [ADA, Person("s", "name/with slash")]
        others = await other.others()
        assert (others.people, others.connections) == ({GRACE}, {})


@pytest.mark.redis
async def test_an_outage_removes_no_people(redis_server: RedisServer) -> None:
    """All leases expire together: the first process to report removes no people."""
    prefix = uuid.uuid4().hex
    async with Redis.from_url(redis_server.url) as redis:
        one, two = (RedisPeople(redis, prefix=prefix, lease=1) for _ in range(2))

        async def both_are_present() -> bool:
            """Report both at one time: neither lease may expire first if the machine stalls."""
            began, _ = await redis.time()
            for store, person in ((one, ADA), (two, GRACE)):
                await store.hold([person])
                await store.report({})
            return int((await redis.time())[0]) <= int(began) + 1

        await until_async(both_are_present)
        seconds, _ = await redis.time()

        async def both_leases_have_expired() -> bool:
            return int((await redis.time())[0]) > seconds + 1

        await until_async(both_leases_have_expired)
        assert await one.report({}) == []
        assert await two.hold([GRACE]) == []
        assert (await one.others()).people == {ADA, GRACE}


# --- Over a live server ------------------------------------------------------------------------


async def test_a_named_client_is_announced_once(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    path = f"{technique.url_path(room)}?name=ada"
    for _ in range(2):  # repeated, as by a long poll or a reconnection
        if technique.scheme == "http":
            async with http.stream("GET", path + "&wait=0") as response:
                assert response.status_code == 200
        else:
            from websockets.asyncio.client import connect

            async with connect("ws" + server_url.removeprefix("http") + path) as socket:
                await socket.recv()
    batch: dict[str, Any] = {}

    async def is_announced() -> bool:  # the response waits for it only for a moment
        batch.update((await http.get(f"/polling/{room}/?since={since}")).json())
        return bool(batch["events"])

    await until_async(is_announced)
    assert [(event["type"], event["sender"]) for event in batch["events"]] == [("join", "ada")]
    await until_async(lambda: entry_of(http, room))  # the list may be a second old
    entry = await entry_of(http, room)
    assert entry is not None
    assert entry["people"] == ["ada"]


async def test_an_unnamed_client_is_only_counted(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    async with http.stream("GET", f"/streaming/{room}/") as response:
        assert response.status_code == 200
        await until_async(lambda: entry_of(http, room))
        assert await entry_of(http, room) == {"room": room, "connections": 1, "people": []}
    assert await cursor_of(http, room) == since


async def test_absent_people_leave(
    server_url: str, http: httpx.AsyncClient, room: str, history: str
) -> None:
    if history == "redis":
        pytest.skip("its ten seconds are spent once")
    events = events_of(TECHNIQUES[2], server_url, room)
    await http.get(f"/polling/{room}/?name=ada")
    async with asyncio.timeout(BOUND):
        received = [await anext(events), await anext(events)]
    await events.aclose()
    assert [(event.type, event.sender) for event in received] == [("join", "ada"), ("leave", "ada")]
    assert await entry_of(http, room) is None


@pytest.mark.parametrize("name", ["", "%20", "x" * 41])
async def test_invalid_names_are_rejected(http: httpx.AsyncClient, room: str, name: str) -> None:
    response = await http.get(f"/polling/{room}/?name={name}")
    assert response.status_code == 400
    assert "name" in response.json()["detail"]


async def test_staff_rooms_are_not_listed(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(BOUND):
        rooms = (await http.get("/rooms/")).json()["rooms"]
    assert not [room for room in rooms if room["room"].startswith("staff-")]


# --- Leaving -----------------------------------------------------------------------------------


class Request:
    scope: dict[str, Any] = {}


REQUEST: Any = Request()


@pytest.fixture
async def published(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[tuple[str, str]]]:
    """Collect the published joins and leaves; run the sweeps often."""
    published: list[tuple[str, str]] = []

    async def publish(draft: Draft) -> None:
        published.append((draft.type, draft.sender))

    monkeypatch.setattr(feed, "publish", publish)
    monkeypatch.setattr(presence, "SWEEP_INTERVAL", 0.01)
    yield published
    await hub.aclose()


async def test_a_short_absence_is_not_a_leave(
    published: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LINGER", BOUND)
    service = Presence(MemoryPeople())
    for _ in range(3):
        async with (
            service.staying(REQUEST, "r", "ada"),
            service.staying(REQUEST, "r", "ada"),
        ):
            pass
        await asyncio.sleep(3 * presence.SWEEP_INTERVAL)  # time for the sweeps
    assert published == [("join", "ada")]
    monkeypatch.setattr(presence, "LINGER", 0.0)
    await until(lambda: published == [("join", "ada"), ("leave", "ada")])
    async with service.staying(REQUEST, "r", "ada"):
        assert published[2:] == [("join", "ada")]
    await service.close()


class ForgetfulPeople(MemoryPeople):
    """A store that removes all people who are not `held`, as after an outage."""

    held: set[Person] = set()
    reports = 0

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        self.held = self.held.union(people)
        return await super().hold(people)

    async def report(self, connections: dict[str, int]) -> list[Person]:
        self.reports += 1
        return await self.release(self.people - self.held)


async def test_present_people_are_renewed_before_removal(
    published: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "REPORT_INTERVAL", 0.0)
    store = ForgetfulPeople()
    service = Presence(store)
    async with service.staying(REQUEST, "r", "ada"):
        await until(lambda: store.reports > 0)
        store.held, reports = set(), store.reports
        await until(lambda: store.reports > reports)
        assert published == [("join", "ada")]
    await service.close()


class SilentPeople(MemoryPeople):
    """A store that does not respond until it is `back`."""

    def __init__(self) -> None:
        super().__init__()
        self.back = asyncio.Event()

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        await self.back.wait()
        return await super().hold(people)


async def test_a_hung_store_does_not_block_connections(
    published: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """People who are present when the store is back are announced."""
    monkeypatch.setattr(presence, "ANNOUNCE_TIMEOUT", 0.02)
    monkeypatch.setattr(presence, "LINGER", 0.0)
    store = SilentPeople()
    service = Presence(store)
    async with asyncio.timeout(BOUND):
        for name in ("grace", "alan", "edsger"):  # the store's first call hangs
            async with service.staying(REQUEST, "r", name):
                pass
        async with service.staying(REQUEST, "r", "ada"):
            store.back.set()
            await until(lambda: ("join", "ada") in published)
    assert {name for _, name in published} == {"grace", "ada"}
    await service.close()
