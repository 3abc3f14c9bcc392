"""Redis outages: connections stay, publishes receive 503, and no event is lost afterwards."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.feeds import BOUND, cursor_of, following, publish
from tests.support.live import LiveServer
from tests.support.redis_server import RedisServer
from tests.support.techniques import ENDLESS
from tests.support.waiting import until
from transports.events import Event
from transports.registry import TECHNIQUES

pytestmark = [pytest.mark.own_server, pytest.mark.redis, pytest.mark.timeout(180)]
PAUSE = 10.0  # seconds
STAY_OPEN = [technique.name for technique in ENDLESS]


async def opened_connections(http: httpx.AsyncClient) -> dict[str, float]:
    """Return how many streams and sockets have been opened so far, by technique."""
    families = text_string_to_metric_families((await http.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples]
    return {
        sample.labels["technique"]: sample.value
        for sample in samples
        if sample.name == "realtime_opened_total" and sample.labels["technique"] in STAY_OPEN
    }


async def check_rejections(http: httpx.AsyncClient, room: str) -> None:
    response = await http.post(f"/publish/{room}/", json={"sender": "ada", "text": "refused"})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["content-type"] == "application/problem+json"
    ready = await http.get("/readyz")
    assert ready.status_code == 503
    assert (await http.get("/healthz")).status_code == 200


async def publish_again(http: httpx.AsyncClient, room: str, text: str) -> list[Event]:
    """Publish as soon as it is accepted; a retry must not publish twice."""
    document = {"sender": "ada", "text": text}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    async with asyncio.timeout(BOUND):
        while True:
            response = await http.post(f"/publish/{room}/", json=document, headers=headers)
            if response.status_code != 503:
                assert response.is_success, response.text
                return [Event.from_document(response.json())]
            await asyncio.sleep(0.1)


async def cause_outage(fault: str, redis: RedisServer, http: httpx.AsyncClient, room: str) -> None:
    """Cause one outage, from beginning to end."""
    if fault == "flushed":
        redis.client.flushall()
        return
    if fault == "paused":
        redis.pause()
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(PAUSE))
            group.create_task(check_rejections(http, room))
        redis.resume()
    else:
        redis.stop()
        await check_rejections(http, room)
        redis.start()


@pytest.mark.parametrize("layer", ["redis", "pubsub"])
@pytest.mark.parametrize("fault", ["paused", "restarted", "flushed"])
async def test_clients_are_complete_after_a_redis_outage(layer: str, fault: str, room: str) -> None:
    with (
        RedisServer() as redis,
        LiveServer(
            env={"REDIS_URL": redis.url, "CHANNEL_LAYER": layer, "DEBUG": "0"}, outage=True
        ) as server,
    ):
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            since = await cursor_of(http, room)
            async with following(server.url, room, since) as received:
                before = await publish(http, room, [f"before {n}" for n in range(10)])
                await until(lambda: all(len(events) == 10 for events in received), BOUND)
                connections = await opened_connections(http)
                await cause_outage(fault, redis, http, room)
                after: list[Event] = []
                for number in range(10):
                    after += await publish_again(http, room, f"after {number}")
                last = after[-1].id
                await until(lambda: all(events[-1].id == last for events in received), BOUND)
                assert await opened_connections(http) == connections, "streams and sockets stay"
    for technique, events in zip(TECHNIQUES, received, strict=True):
        name = technique.name
        assert events[:10] == before, name
        reset, rest = events[10], events[10:]
        if fault == "paused":
            # When resumed, Redis may have executed appends that were answered with 503.
            assert [event.cursor.seq for event in rest] == list(range(11, 11 + len(rest))), name
            assert [event for event in rest if event.text != "refused"] == after, name
        else:
            assert (reset.type, reset.missed) == ("reset", None), name
            assert events[11:] == after, name
