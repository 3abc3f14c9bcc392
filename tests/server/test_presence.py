"""Who is here: coming and going, the list of rooms, and the people of a killed process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.contract.feeds import BOUND, cursor_of, events_of
from tests.support.redis_server import RedisServer
from tests.support.waiting import until, until_asked
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
        gone = await alive.report({})  # on a machine that stalled, it may be over by now
        async with asyncio.timeout(BOUND):
            while not gone:
                reports = await asyncio.gather(alive.report({}), other.report({}))
                gone = [person for report in reports for person in report]
        assert sorted(gone) == [ADA, Person("s", "name/with slash")]
        everyone = await other.others()
        assert (everyone.people, everyone.connections) == ({GRACE}, {})


@pytest.mark.redis
async def test_an_outage_removes_no_people(redis_server: RedisServer) -> None:
    """No process could say that it lives: whoever is the first to report judges nobody."""
    prefix = uuid.uuid4().hex
    async with Redis.from_url(redis_server.url) as redis:
        one, two = (RedisPeople(redis, prefix=prefix, lease=1) for _ in range(2))

        async def both_are_here() -> bool:
            """At one time: neither is struck out by the other, however this machine stalls."""
            began, _ = await redis.time()
            for each, person in ((one, ADA), (two, GRACE)):
                await each.hold([person])
                await each.report({})
            return int((await redis.time())[0]) <= int(began) + 1

        await until_asked(both_are_here)
        seconds, _ = await redis.time()

        async def their_time_is_over() -> bool:
            return int((await redis.time())[0]) > seconds + 1

        await until_asked(their_time_is_over)
        assert await one.report({}) == []
        assert await two.hold([GRACE]) == []
        assert (await one.others()).people == {ADA, GRACE}


# --- Over a live server ------------------------------------------------------------------------


async def entry_of(http: httpx.AsyncClient, room: str) -> dict[str, Any] | None:
    """What the list says of the room; None where it is not in it."""
    rooms: list[dict[str, Any]] = (await http.get("/rooms/")).json()["rooms"]
    return next((found for found in rooms if found["room"] == room), None)


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda technique: technique.name)
async def test_a_named_client_is_announced_once(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    path = f"{technique.url_path(room)}?name=ada"
    for _ in range(2):  # and again, as a long poll or after a reconnection
        if technique.scheme == "http":
            async with http.stream("GET", path + "&wait=0") as response:
                assert response.status_code == 200
        else:
            from websockets.asyncio.client import connect

            async with connect("ws" + server_url.removeprefix("http") + path) as socket:
                await socket.recv()
    batch: dict[str, Any] = {}

    async def is_announced() -> bool:  # who comes in waits for it, but not for long
        batch.update((await http.get(f"/polling/{room}/?since={since}")).json())
        return bool(batch["events"])

    await until_asked(is_announced)
    assert [(event["type"], event["sender"]) for event in batch["events"]] == [("join", "ada")]
    await until_asked(lambda: entry_of(http, room))  # the list is a second old
    entry = await entry_of(http, room)
    assert entry is not None
    assert entry["people"] == ["ada"]


async def test_an_unnamed_client_is_only_counted(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    async with http.stream("GET", f"/streaming/{room}/") as response:
        assert response.status_code == 200
        await until_asked(lambda: entry_of(http, room))
        assert await entry_of(http, room) == {"room": room, "connections": 1, "people": []}
    assert await cursor_of(http, room) == since


async def test_absent_people_leave(
    server_url: str, http: httpx.AsyncClient, room: str, history: str
) -> None:
    if history == "redis":
        pytest.skip("its ten seconds are taken once")
    events = events_of(TECHNIQUES[2], server_url, room)
    await http.get(f"/polling/{room}/?name=ada")
    async with asyncio.timeout(BOUND):
        found = [await anext(events), await anext(events)]
    await events.aclose()
    assert [(event.type, event.sender) for event in found] == [("join", "ada"), ("leave", "ada")]
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


# --- Going -------------------------------------------------------------------------------------


class Request:
    scope: dict[str, Any] = {}


REQUEST: Any = Request()


@pytest.fixture
async def told(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[tuple[str, str]]]:
    """What is published of coming and going; the sweeps are brisk."""
    told: list[tuple[str, str]] = []

    async def publish(draft: Draft) -> None:
        told.append((draft.type, draft.sender))

    monkeypatch.setattr(feed, "publish", publish)
    monkeypatch.setattr(presence, "SWEEP_INTERVAL", 0.01)
    yield told
    await hub.aclose()


async def test_a_short_absence_is_not_a_leave(
    told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "LINGER", BOUND)
    here = Presence(MemoryPeople())
    for _ in range(3):
        async with here.staying(REQUEST, "r", "ada"), here.staying(REQUEST, "r", "ada"):
            pass
        await asyncio.sleep(3 * presence.SWEEP_INTERVAL)  # they are looked for meanwhile
    assert told == [("join", "ada")]
    monkeypatch.setattr(presence, "LINGER", 0.0)
    await until(lambda: told == [("join", "ada"), ("leave", "ada")])
    async with here.staying(REQUEST, "r", "ada"):
        assert told[2:] == [("join", "ada")]
    await here.close()


class ForgetfulPeople(MemoryPeople):
    """Strikes out whoever is not `held`: nobody is, after an outage."""

    held: set[Person] = set()
    reports = 0

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        self.held = self.held.union(people)
        return await super().hold(people)

    async def report(self, connections: dict[str, int]) -> list[Person]:
        self.reports += 1
        return await self.release(self.people - self.held)


async def test_present_people_are_renewed_before_removal(
    told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "REPORT_INTERVAL", 0.0)
    store = ForgetfulPeople()
    here = Presence(store)
    async with here.staying(REQUEST, "r", "ada"):
        await until(lambda: store.reports > 0)
        store.held, reports = set(), store.reports
        await until(lambda: store.reports > reports)
        assert told == [("join", "ada")]
    await here.close()


class SilentPeople(MemoryPeople):
    """Says nothing until it is `back`."""

    def __init__(self) -> None:
        super().__init__()
        self.back = asyncio.Event()

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        await self.back.wait()
        return await super().hold(people)


async def test_a_hung_store_does_not_block_connections(
    told: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are announced when it is back: those who are here then."""
    monkeypatch.setattr(presence, "ANNOUNCE_TIMEOUT", 0.02)
    monkeypatch.setattr(presence, "LINGER", 0.0)
    store = SilentPeople()
    here = Presence(store)
    async with asyncio.timeout(BOUND):
        for name in ("grace", "alan", "edsger"):  # the first is asked about already
            async with here.staying(REQUEST, "r", name):
                pass
        async with here.staying(REQUEST, "r", "ada"):
            store.back.set()
            await until(lambda: ("join", "ada") in told)
    assert {name for _, name in told} == {"grace", "ada"}
    await here.close()
