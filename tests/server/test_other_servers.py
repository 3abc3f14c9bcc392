"""Some tests of the contract over the servers that the rest of `make test` does not run.

`make servers` runs the whole contract suite over each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import httpx
import pytest

from realtime_demo.asgi_servers import SERVERS
from tests.conftest import SERVER_ENVIRONMENT
from tests.contract.conftest import technique
from tests.contract.feeds import BOUND, events_of, publish
from tests.contract.test_disconnect import until
from tests.contract.test_problems import (
    socket_technique,
    test_a_rejected_handshake_closes_with_a_reason,
    test_invalid_bodies_are_rejected,
    test_large_bodies_are_rejected,
)
from tests.contract.test_replay import (
    test_an_unknown_epoch_gets_a_reset_and_all_events,
    test_resume_at_every_event,
)
from tests.contract.test_trusted_headers import test_proxy_headers_of_a_client_are_ignored
from tests.support.live import SERVER, LiveServer
from transports.registry import TECHNIQUES, Technique

__all__ = [
    "socket_technique",
    "technique",
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
def server_url(other_server: str) -> Iterator[str]:
    with LiveServer(server=other_server, env=SERVER_ENVIRONMENT) as server:
        yield server.url


@pytest.fixture
async def http(server_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server_url, timeout=30) as client:
        yield client


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
