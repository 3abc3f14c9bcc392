"""One feed over two processes and one Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.redis_server import RedisServer
from transports.registry import TECHNIQUES, Technique

from .feeds import collect, cursor_of, publish

pytestmark = [pytest.mark.own_server, pytest.mark.redis]


@pytest.fixture(scope="module")
def two(redis_server: RedisServer) -> Iterator[tuple[str, str]]:
    environment = {**SERVER_ENVIRONMENT, "REDIS_URL": redis_server.url}
    with LiveServer(env=environment) as one, LiveServer(env=environment) as other:
        yield one.url, other.url


async def test_events_reach_clients_of_other_processes(two: tuple[str, str], room: str) -> None:
    total = 40
    async with (
        httpx.AsyncClient(base_url=two[0]) as first,
        httpx.AsyncClient(base_url=two[1]) as second,
    ):
        since = await cursor_of(first, room)
        collecting = {
            (technique.name, url): asyncio.create_task(
                collect(technique, url, room, since, count=2 * total)
            )
            for technique in TECHNIQUES
            for url in two
        }
        await asyncio.gather(
            publish(first, room, (f"here {n}" for n in range(total))),
            publish(second, room, (f"there {n}" for n in range(total))),
        )
        received = {client: await task for client, task in collecting.items()}
    expected = received[TECHNIQUES[0].name, two[0]]
    assert [event.cursor.seq for event in expected] == list(range(1, 2 * total + 1))
    assert {event.text for event in expected} == {
        f"{process} {n}" for process in ("here", "there") for n in range(total)
    }
    for client, events in received.items():
        assert events == expected, client


async def test_a_client_moves_between_processes(
    technique: Technique, two: tuple[str, str], room: str
) -> None:
    async with httpx.AsyncClient(base_url=two[0]) as http:
        cursor = await cursor_of(http, room)
        received, published = [], []
        for step in range(10):
            published += await publish(http, room, [f"{step}"])
            received += await collect(technique, two[step % 2], room, cursor, count=1)
            cursor = received[-1].id
    assert received == published
