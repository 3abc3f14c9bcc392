"""Backlog, live events, order, resuming and resets, on every technique."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from importlib import import_module
from itertools import cycle
from typing import Any

import httpx
import pytest

from streaming.client import EventStreamParser
from transports.events import Event
from transports.registry import TECHNIQUES, Technique

from .feeds import BOUND, collect, cursor_of, events_of, publish, settled

HISTORY_LENGTH = 1_000
BACKLOG_LENGTH = 50


async def test_backlog_is_the_last_fifty(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    published = await publish(http, room, map(str, range(BACKLOG_LENGTH + 7)))
    for technique in TECHNIQUES:
        received = await collect(technique, server_url, room, count=BACKLOG_LENGTH)
        assert received == published[7:], technique.name


async def test_live_events_follow_an_empty_room(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    collecting = asyncio.create_task(collect(technique, server_url, room, count=3))
    published = []
    for text in ("one", "two", "three"):
        published += await publish(http, room, [text])
        await asyncio.sleep(0.05)  # deliver them one by one, not as a backlog
    assert await collecting == published


async def test_a_client_has_a_cursor_before_its_first_event(
    technique: Technique,
    server_url: str,
    http: httpx.AsyncClient,
    room: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a cut in an empty room, a client receives even more events than a backlog has."""
    client = import_module(technique.client.partition(":")[0])
    monkeypatch.setattr(client, "resume", lambda receive, since, back_off: receive)
    connect: Any = technique.events(server_url, room)
    async with asyncio.timeout(BOUND), aclosing(connect(None)) as arrivals:
        events, cursor = await anext(arrivals)
    monkeypatch.undo()
    assert events == ()
    published = await publish(http, room, map(str, range(BACKLOG_LENGTH + 1)))
    received = await collect(technique, server_url, room, cursor, count=len(published))
    assert received == published


async def test_an_empty_batch_has_the_cursor(http: httpx.AsyncClient, room: str) -> None:
    (event,) = await publish(http, room, ["hi"])
    response = await http.get(f"/polling/{room}/", params={"since": event.id})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"room": room, "cursor": event.id, "events": []}
    # An empty `since` counts as omitted: a form or a script without a cursor may send it.
    batch = (await http.get(f"/polling/{room}/?since=")).json()
    assert batch["events"] == [json.loads(event.encoded)]


async def test_order_is_kept_with_many_publishers(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    collecting = asyncio.create_task(collect(technique, server_url, room, since, count=60))
    published = await asyncio.gather(
        *(publish(http, room, (f"{publisher}-{n}" for n in range(15))) for publisher in "abcd")
    )
    received = await collecting
    assert [event.cursor.seq for event in received] == list(range(1, 61))
    in_order = sorted((event for batch in published for event in batch), key=lambda e: e.cursor.seq)
    assert received == in_order


async def test_resume_at_every_event(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    published = await publish(http, room, map(str, range(8)))
    for place, event in enumerate(published[:-1]):
        rest = published[place + 1 :]
        received = await collect(technique, server_url, room, event.id, count=len(rest))
        assert received == rest
    assert await settled(technique, http, room, published[-1].id) == []


async def test_a_cursor_is_valid_for_every_technique(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    cursor = await cursor_of(http, room)
    received, published = [], []
    for step, technique in zip(range(24), cycle(TECHNIQUES), strict=False):
        published += await publish(http, room, [f"{step}-1", f"{step}-2"])
        # Alternate between one and two events, so that some are left for the next technique.
        received += await collect(technique, server_url, room, cursor, count=1 + step % 2)
        cursor = received[-1].id
    received += await settled(TECHNIQUES[0], http, room, cursor)
    assert received == published


async def test_an_unknown_epoch_gets_a_reset_and_all_events(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    published = await publish(http, room, ["a", "b"])
    reset, *received = await collect(technique, server_url, room, "gone-7", count=3)
    assert (reset.type, reset.missed, reset.room) == ("reset", None, room)
    assert received == published
    assert reset.cursor.seq == 0, "its id is the position before the events after it"
    # A client that resumes from the reset gets no other.
    assert await collect(technique, server_url, room, reset.id, count=2) == published


async def test_a_cursor_ahead_of_the_room_gets_a_reset(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    (event,) = await publish(http, room, ["only"])
    future = f"{event.cursor.epoch}-{event.cursor.seq + 5}"
    reset, received = await collect(technique, server_url, room, future, count=2)
    assert (reset.type, reset.missed, received) == ("reset", None, event)


@pytest.fixture(scope="session")
def trimmed_room(server_url: str) -> tuple[str, str]:
    """Return a room whose first 12 events have been trimmed, and the cursor of the 5th."""
    room = "trimmed-" + server_url.rpartition(":")[2]
    with httpx.Client(base_url=server_url, timeout=30) as http:
        for number in range(HISTORY_LENGTH + 12):
            response = http.post(f"/publish/{room}/", json={"sender": "ada", "text": str(number)})
            if number == 4:
                cursor = response.json()["id"]
    return room, cursor


@pytest.mark.own_server
async def test_a_trimmed_cursor_gets_a_reset_with_a_count(
    technique: Technique, server_url: str, trimmed_room: tuple[str, str]
) -> None:
    room, cursor = trimmed_room
    received = await collect(technique, server_url, room, cursor, count=1 + HISTORY_LENGTH)
    reset, *rest = received
    assert (reset.type, reset.missed) == ("reset", 7)
    assert [event.cursor.seq for event in rest] == list(range(13, HISTORY_LENGTH + 13))


@pytest.mark.timeout(240)
async def test_slow_readers_receive_a_whole_burst(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    """A slow client of each technique reads the same burst."""
    burst = 400  # more than a room's tail holds
    since = await cursor_of(http, room)
    one_is_ready = asyncio.Event()
    ready = 0

    async def read_slowly(technique: Technique) -> list[int]:
        nonlocal ready
        received: list[int] = []
        async with aclosing(events_of(technique, server_url, room, since)) as events:
            async for event in events:
                received.append(event.cursor.seq)
                if len(received) == 1:
                    ready += 1
                    one_is_ready.set()
                if len(received) % 50 == 0:
                    await asyncio.sleep(0.01)
                if len(received) == 1 + burst:
                    break
        return received

    async with asyncio.timeout(200):
        reading = [asyncio.create_task(read_slowly(technique)) for technique in TECHNIQUES]
        await publish(http, room, ["first"])
        while ready < len(TECHNIQUES):
            await one_is_ready.wait()
            one_is_ready.clear()
        publishers = (
            publish(http, room, (f"{publisher}-{n}" for n in range(burst // 5)))
            for publisher in "abcde"
        )
        await asyncio.gather(*publishers)
        for received in await asyncio.gather(*reading):
            assert received == list(range(1, burst + 2))


TEXTS = [
    "안녕하세요, 실시간!",
    "👩‍👩‍👧‍👦 🇰🇷 😀",
    "line\nfeed, carriage\rreturn, both\r\nand a blank line\n\ndata: not a field",
    "U+2028 \u2028, U+2029 \u2029, U+0085 \x85, U+000B \x0b",
    "NUL \0, DEL \x7f, BOM \ufeff, noncharacter \uffff",
    '"quotes", \\backslashes\\, <b>markup</b> & {"json": []}',
    "\u202eright to left\u202c e\u0301",
    "x" * 2_000,
    "😀" * 2_000,
]


async def test_text_arrives_unchanged(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    published = await publish(http, room, TEXTS)
    received = await collect(technique, server_url, room, count=len(TEXTS))
    assert [event.text for event in received] == TEXTS
    assert received == published


async def test_rooms_do_not_mix(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    published = []
    for number in range(5):
        published += await publish(http, room, [f"here {number}"])
        await publish(http, f"{room}-other", [f"there {number}"])
    assert await collect(technique, server_url, room, count=5) == published


async def test_a_client_that_reconnects_misses_no_event(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    """No event is lost between two connections of one client."""
    cursor = await cursor_of(http, room)
    total = 20
    publishing = asyncio.create_task(publish(http, room, map(str, range(total))))
    received: list[Event] = []
    async with asyncio.timeout(BOUND):
        while len(received) < total:
            received += await collect(technique, server_url, room, cursor, count=1)
            cursor = received[-1].id
    assert [event.id for event in received] == [event.id for event in await publishing]


@pytest.mark.parametrize("name", ["Last-Event-ID", "since"])
async def test_foreign_id_gets_a_reset_over_server_sent_events(
    http: httpx.AsyncClient, room: str, name: str
) -> None:
    """After a 400 a browser's EventSource would never reconnect (WHATWG HTML §9.2.2)."""
    published = await publish(http, room, ["a", "b"])
    for identity in ("4711", "한", "a-", "x" * 300):
        headers = {name.encode(): identity.encode()} if name != "since" else {}
        parameters = {name: identity} if name == "since" else {}
        reset, *events = await first_events(http, room, headers, parameters)
        assert (reset.type, reset.missed, events) == ("reset", None, published), identity


async def first_events(
    http: httpx.AsyncClient, room: str, headers: dict[bytes, bytes], parameters: dict[str, str]
) -> list[Event]:
    """Return the first three events of Server-Sent Events."""
    url, parser = f"/streaming/{room}/sse/", EventStreamParser()
    received: list[Event] = []
    async with (
        asyncio.timeout(BOUND),
        http.stream("GET", url, headers=headers, params=parameters) as response,
    ):
        assert response.status_code == 200
        async for data in response.aiter_bytes():
            received += map(Event.decode, parser.feed(data))
            if len(received) == 3:
                break
    return received


async def test_line_ends_of_unicode_are_escaped(
    technique: Technique, http: httpx.AsyncClient, server_url: str, room: str
) -> None:
    """JSON requires no escapes for these characters, at which many clients end a line."""
    text = "a\u2028b\u2029c\x85d한"
    response = await http.post(f"/publish/{room}/", json={"sender": "ada", "text": text})
    assert len(response.text.splitlines()) == 1
    raw = (await http.get(f"/polling/{room}/")).text
    assert len(raw.splitlines()) == 1
    assert "한" in raw
    (event,) = await collect(technique, server_url, room, count=1)
    assert event.text == text
    assert len(event.encoded.decode().splitlines()) == 1
