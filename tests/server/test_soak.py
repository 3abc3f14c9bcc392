"""The soak's verdict, on a server that is sound and on one that leaks."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from faults.resources import REQUESTS, ResourceSample, sample_at_rest
from faults.soak import leaking, trend_of
from tests.support.live import LiveServer
from tests.support.waiting import until

MINUTES, EVERY = 4, 50


async def visits(server: LiveServer, count: int) -> None:
    """So many connections at once; returns when the server has closed them all."""
    process = psutil.Process(server.pid)

    async def visit() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET /polling/lobby/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()

    await asyncio.gather(*(visit() for _ in range(count)))
    await until(lambda: all(each.status == "LISTEN" for each in process.net_connections()))


@pytest.mark.own_server
@pytest.mark.parametrize(("leak", "verdict"), [(0, "flat"), (EVERY, "grows")])
async def test_a_descriptor_leak_is_detected(leak: int, verdict: str) -> None:
    env = {**(leaking(leak) if leak else {}), "REDIS_URL": ""}
    samples: list[ResourceSample] = []
    with LiveServer(env=env) as server:
        parts = {"server": [psutil.Process(server.pid)]}
        await visits(server, EVERY - REQUESTS)  # warm
        for minute in range(MINUTES):
            await visits(server, EVERY - REQUESTS)
            metrics = {"server": f"{server.url}/metrics"}
            samples.append((await sample_at_rest(minute * 60, parts, metrics, 0))["server"])
    found = {each: trend_of(each, samples) for each in ("descriptors", "threads", "tasks")}
    verdicts = {name: one.trend.verdict for name, one in found.items() if one}
    assert verdicts == {"descriptors": verdict, "threads": "flat", "tasks": "flat"}
    if leak:
        one = found["descriptors"]
        assert one
        assert one.most - one.least == MINUTES - 1, "one for each fifty, and nothing else"
