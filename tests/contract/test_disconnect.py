"""Resources of disconnected clients: no task, subscriber or waiting request remains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from realtime_demo.tap.proxy import Tap
from tests.support.live import SERVER
from transports.registry import Technique

from .feeds import BOUND, events_of, publish

pytestmark = pytest.mark.own_server
CLIENTS = 20
# Tasks: the server's two, the hub's two, this request's, and one each of the lifespan, the room
# directory, the agreement and, after a client with a name, presence; over Redis also the layer's
# own, in memory the embedded worker's five. Hypercorn has six more of its own.
QUIET = 21 if SERVER == "hypercorn" else 15


async def health(http: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await http.get("/healthz")).json()
    return document


async def until(
    http: httpx.AsyncClient, satisfied: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Wait until the server's health document is `satisfied`, or fail with that document."""
    deadline = asyncio.get_running_loop().time() + BOUND
    while not satisfied(health_document := await health(http)):
        assert asyncio.get_running_loop().time() < deadline, health_document
        await asyncio.sleep(0.02)
    return health_document


@pytest.mark.parametrize("ending", ["closed", "cut"])
async def test_disconnect_frees_all_resources(
    technique: Technique, server_url: str, http: httpx.AsyncClient, room: str, ending: str
) -> None:
    await publish(http, room, ["something"])
    await http.get(f"/longpoll/{room}/")  # starts the hub, whose tasks remain
    # Wait until the clients of earlier tests are gone.
    before = await until(http, lambda held: held["users"] == 0 and held["tasks"] <= QUIET)
    target = httpx.URL(server_url)
    async with Tap(target.host, target.port or 80) as tap:
        options: dict[str, Any] = {"hold": 50} if technique.response_ends == "with events" else {}
        url = tap.url

        async def stay(arrived: asyncio.Event) -> None:
            async with aclosing(events_of(technique, url, room, **options)) as events:
                async for _ in events:
                    arrived.set()

        arrivals = [asyncio.Event() for _ in range(CLIENTS)]
        clients = [asyncio.create_task(stay(arrived)) for arrived in arrivals]
        async with asyncio.timeout(BOUND):
            await asyncio.gather(*(arrived.wait() for arrived in arrivals))
        if technique.response_ends != "at once":
            await until(http, lambda held: held["users"] == CLIENTS)
        if ending == "cut":
            tap.cut()  # a TCP reset, without a close frame
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    await until(http, lambda held: held["users"] == 0 and held["tasks"] <= before["tasks"])
