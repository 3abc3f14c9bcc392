"""A client whose connection is cut after every possible byte loses and doubles nothing."""

from __future__ import annotations

import asyncio
import random

import httpx

from realtime_demo.tap.proxy import Tap
from transports.registry import Technique

from .feeds import collect, cursor_of, publish

TEXTS = ["한 one", "two 😀"]
AT_ONCE = 16  # clients


async def bytes_down(technique: Technique, tap: Tap, room: str, since: str) -> int:
    """How many bytes the server sends to a client that takes all the events."""
    before = tap.total.down
    await collect(technique, tap.url, room, since, count=len(TEXTS))
    return tap.total.down - before


async def test_cut_after_every_byte(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str, history: str
) -> None:
    since = await cursor_of(http, room)
    published = await publish(http, room, TEXTS)
    target = httpx.URL(server_url)
    async with Tap(target.host, target.port or 80) as tap:
        length = await bytes_down(technique, tap, room, since)
    assert length > sum(len(event.encoded) for event in published)
    gate = asyncio.Semaphore(AT_ONCE)

    async def cut_after(place: int) -> None:
        async with gate, Tap(target.host, target.port or 80, cut_after={0: place}) as tap:
            found = await collect(technique, tap.url, room, since, count=len(TEXTS))
            assert found == published, f"cut after {place} of {length} bytes"
            if place < length - len(published[-1].encoded):
                assert tap.accepted > 1, "the cut was made, and the client came back"

    # What a cut leaves is the same over either history: every place over one, and over the
    # other every fifth, beginning anywhere.
    places = range(random.randrange(5), length, 5) if history == "redis" else range(length + 1)
    await asyncio.gather(*(cut_after(place) for place in places))


async def test_cut_while_events_flow(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    """Every connection is cut, each a little later than the one before it."""
    since = await cursor_of(http, room)
    total = 60
    target = httpx.URL(server_url)
    later = {number: 300 + 37 * number for number in range(60)}
    async with Tap(target.host, target.port or 80, cut_after=later) as tap:
        collecting = asyncio.create_task(collect(technique, tap.url, room, since, count=total))
        published = await publish(http, room, map(str, range(total)))
        assert await collecting == published
        assert tap.accepted > 1
