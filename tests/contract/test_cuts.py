"""Connections cut after any byte, without lost or duplicated events."""

from __future__ import annotations

import asyncio
import os
import random

import httpx

from realtime_demo.tap.proxy import Tap
from transports.registry import Technique

from .feeds import collect, cursor_of, publish

TEXTS = ["한 one", "two 😀"]
AT_ONCE = 16  # clients
# Bytes between two cuts; the first cut is random. STRIDE=1 cuts after every byte.
STRIDE = int(os.environ.get("STRIDE", 9))


async def bytes_down(technique: Technique, tap: Tap, room: str, since: str) -> int:
    """Return the number of bytes the server sends to a client that receives all events."""
    before = tap.total.down
    await collect(technique, tap.url, room, since, count=len(TEXTS))
    return tap.total.down - before


async def test_a_cut_after_any_byte_loses_no_event(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
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
            received = await collect(technique, tap.url, room, since, count=len(TEXTS))
            assert received == published, f"cut after {place} of {length} bytes"
            if place < length - len(published[-1].encoded):
                assert tap.accepted > 1, "the client was cut and reconnected"

    start = random.randrange(STRIDE)
    await asyncio.gather(*(cut_after(place) for place in range(start, length + 1, STRIDE)))


async def test_cuts_while_events_flow_lose_no_event(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    """Cut every connection, each a little later than the one before it."""
    since = await cursor_of(http, room)
    total = 30
    target = httpx.URL(server_url)
    cut_after = {number: 300 + 37 * number for number in range(30)}
    async with Tap(target.host, target.port or 80, cut_after=cut_after) as tap:
        collecting = asyncio.create_task(collect(technique, tap.url, room, since, count=total))
        published = await publish(http, room, map(str, range(total)))
        assert await collecting == published
        assert tap.accepted > 1
