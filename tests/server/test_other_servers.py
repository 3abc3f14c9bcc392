"""Servers that the rest of `make test` does not run: some tests of the contract, and of services.

`make servers` runs the whole contract suite over each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing

import httpx
import pytest
from websockets.asyncio.client import connect

from realtime_demo.asgi_servers import SERVERS
from tests.contract.feeds import BOUND, entry_of, events_of, publish
from tests.contract.test_disconnect import until
from tests.contract.test_problems import (
    test_a_rejected_handshake_closes_with_a_reason,
    test_invalid_bodies_are_rejected,
    test_large_bodies_are_rejected,
)
from tests.contract.test_replay import (
    test_an_unknown_epoch_gets_a_reset_and_all_events,
    test_resume_at_every_event,
)
from tests.contract.test_trusted_headers import test_proxy_headers_of_a_client_are_ignored
from tests.support.database import migrated
from tests.support.live import SERVER, SERVER_ENVIRONMENT, LiveServer
from tests.support.redis_server import RedisServer
from tests.support.waiting import until_async
from transports.registry import TECHNIQUES, Technique

from .test_background import end_of, start_task
from .test_start import check_port_in_use

__all__ = [
    "test_a_rejected_handshake_closes_with_a_reason",
    "test_an_unknown_epoch_gets_a_reset_and_all_events",
    "test_invalid_bodies_are_rejected",
    "test_large_bodies_are_rejected",
    "test_proxy_headers_of_a_client_are_ignored",
    "test_resume_at_every_event",
]
pytestmark = pytest.mark.own_server


@pytest.fixture(scope="module", params=[name for name in SERVERS if name != SERVER])
def other_server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(other_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    database = {"DATABASE_PATH": str(migrated(tmp_path_factory.mktemp("database"))), "DEMO": "1"}
    with LiveServer(server=other_server, env={**SERVER_ENVIRONMENT, **database}) as server:
        yield server


@pytest.fixture(scope="module")
def server_url(server: LiveServer) -> str:
    return server.url


async def test_disconnect_frees_every_technique(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    await publish(http, room, ["something"])
    before = await until(http, lambda held: held["users"] == 0)

    async def stay(technique: Technique, arrived: asyncio.Event) -> None:
        async with aclosing(events_of(technique, server_url, room)) as events:
            async for _ in events:
                arrived.set()

    arrivals = [asyncio.Event() for _ in TECHNIQUES]
    clients = [
        asyncio.create_task(stay(technique, arrived))
        for technique, arrived in zip(TECHNIQUES, arrivals, strict=True)
    ]
    async with asyncio.timeout(BOUND):
        await asyncio.gather(*(arrived.wait() for arrived in arrivals))
    await until(http, lambda held: held["users"] == len(TECHNIQUES) - 1)  # polling keeps no user
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    await until(http, lambda held: held["users"] == 0 and held["tasks"] <= before["tasks"] + 2)


async def test_a_task_runs_on_each_server(http: httpx.AsyncClient, room: str) -> None:
    """Stock Daphne sends no lifespan events: the first request starts the worker."""
    location = await start_task(http, "announcement", room=room, text="Lunch!")
    assert (await end_of(http, location))["status"] == "done"
    (event,) = (await http.get(f"/polling/{room}/")).json()["events"]
    assert (event["type"], event["text"]) == ("announcement", "Lunch!")


@pytest.mark.redis
async def test_services_start_on_each_server(
    other_server: str, redis_server: RedisServer, redis_live_server: LiveServer, room: str
) -> None:
    """The first request starts presence and the list of rooms, also without lifespan events."""
    environment = {**SERVER_ENVIRONMENT, "REDIS_URL": redis_server.url}
    with LiveServer(server=other_server, env=environment) as one:
        async with (
            connect(f"{one.ws_url}/websocket/{room}/?name=ada") as ada,
            connect(f"{redis_live_server.ws_url}/websocket/{room}/?name=grace") as grace,
        ):
            for socket in (ada, grace):
                assert json.loads(await socket.recv())["room"] == room
            for server in (one, redis_live_server):
                await until_people(server, room, ["ada", "grace"])


async def until_people(server: LiveServer, room: str, people: list[str]) -> None:
    """Wait until the server's list of rooms has these people in the room."""
    async with httpx.AsyncClient(base_url=server.url) as http:

        async def are_listed() -> bool:
            entry = await entry_of(http, room)
            return entry is not None and entry["people"] == people

        await until_async(are_listed)


# Granian's processes share a port (SO_REUSEPORT): there a second server is not an error.
@pytest.mark.parametrize("other_server", ["daphne", "hypercorn"], indirect=True)
def test_port_in_use_is_reported(other_server: str, server: LiveServer) -> None:
    check_port_in_use(other_server, server.port)
