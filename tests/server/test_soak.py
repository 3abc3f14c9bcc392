"""The soak's verdict on a correct server and on one that leaks."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from faults.resources import REQUESTS, ResourceSample, sample_at_rest
from faults.soak import leaking, trend_of
from tests.support.live import LiveServer
from tests.support.waiting import until

MINUTES, EVERY = 4, 50


async def visit_often(server: LiveServer, count: int) -> None:
    """Open `count` connections at once; return when the server has closed them all."""
    process = psutil.Process(server.pid)

    async def visit() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /polling/lobby/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()

    await asyncio.gather(*(visit() for _ in range(count)))
    await until(
        lambda: all(connection.status == "LISTEN" for connection in process.net_connections())
    )


@pytest.mark.own_server
@pytest.mark.parametrize(("leak", "verdict"), [(0, "flat"), (EVERY, "grows")])
async def test_a_descriptor_leak_is_detected(leak: int, verdict: str) -> None:
    env = {**(leaking(leak) if leak else {}), "REDIS_URL": ""}
    samples: list[ResourceSample] = []
    with LiveServer(env=env) as server:
        processes = {"server": [psutil.Process(server.pid)]}
        visits = EVERY - REQUESTS  # a sample itself opens `REQUESTS` connections
        await visit_often(server, visits)  # warm-up
        for minute in range(MINUTES):
            await visit_often(server, visits)
            metrics = {"server": f"{server.url}/metrics"}
            samples.append((await sample_at_rest(minute * 60, processes, metrics, 0))["server"])
    trends = {name: trend_of(name, samples) for name in ("descriptors", "threads", "tasks")}
    verdicts = {name: trend.verdict for name, trend in trends.items() if trend}
    assert verdicts == {"descriptors": verdict, "threads": "flat", "tasks": "flat"}
    if leak:
        descriptors = trends["descriptors"]
        assert descriptors
        assert descriptors.most - descriptors.least == MINUTES - 1, (
            "one descriptor for each fifty connections"
        )
