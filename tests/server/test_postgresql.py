"""A deployment on PostgreSQL with a standby: restart, failover, and the limit of connections."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.feeds import collect, cursor_of, publish
from tests.support.database import migrated_postgresql
from tests.support.live import LiveServer
from tests.support.postgresql_server import PostgreSQLServer, Standby
from tests.support.redis_server import RedisServer
from transports.registry import BY_NAME

from .test_background import Worker, end_of, environment, start_task

pytestmark = [pytest.mark.own_server, pytest.mark.postgresql, pytest.mark.redis]

TASKS = 6
CONNECTIONS = 2  # of each process
PROCESSES = 3  # two servers and a worker


class Database:
    """A primary, which the tests may stop, and its standby."""

    def __init__(self, primary: PostgreSQLServer, standby: Standby) -> None:
        self.primary: PostgreSQLServer = primary
        self.standby = standby
        self.ports = f"{primary.port},{standby.port}"

    def url(self) -> str:
        """Return the URL of a new database, by which clients find the primary of the two."""
        url = urlsplit(migrated_postgresql(self.primary))
        hosts = f"{url.username}@{url.hostname},{url.hostname}"
        query = f"port={self.ports}&target_session_attrs=read-write&connect_timeout=5"
        return url._replace(netloc=hosts, query=query).geturl()

    def restart(self) -> Iterator[None]:
        """Stop, and start again at the next step."""
        self.primary.stop()
        yield
        self.primary.start()

    def fail_over(self) -> Iterator[None]:
        """Crash, and promote the standby at the next step."""
        self.primary.stop(signal.SIGQUIT)
        yield
        self.standby.promote()
        self.primary = self.standby


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with PostgreSQLServer() as primary, Standby(primary) as standby:
        yield Database(primary, standby)


async def one_task_ends(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        await end_of(http, await start_task(http, "announcement", text="ready"))


@pytest.fixture(scope="module")
def deployment(
    database: Database, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Return the URLs of two servers, which share a database with a worker."""
    env = environment(tmp_path_factory.mktemp("deployment"), redis_server.url, database.url())
    env |= {"REDIS_PREFIX": uuid.uuid4().hex, "DATABASE_CONNECTIONS": str(CONNECTIONS)}
    with ExitStack() as stack:
        servers = [stack.enter_context(LiveServer(env=env, outage=True)) for _ in range(2)]
        stack.enter_context(Worker(env, outage=True))
        asyncio.run(one_task_ends(servers[0].url))  # the worker has started, and can be stopped
        yield [each.url for each in servers]


@pytest.mark.parametrize("outage", [Database.restart, Database.fail_over])
async def test_an_outage_of_the_database_loses_nothing(
    outage: Callable[[Database], Iterator[None]],
    database: Database,
    deployment: list[str],
    room: str,
) -> None:
    """Events do not need the database; each task runs once it is back."""
    async with (
        httpx.AsyncClient(base_url=deployment[0], timeout=30) as one,
        httpx.AsyncClient(base_url=deployment[1], timeout=30) as other,
    ):
        since = await cursor_of(other, room)
        collecting = asyncio.create_task(
            collect(BY_NAME["sse"], deployment[1], room, since, count=3)
        )
        rooms = [f"{room}-{number}" for number in range(TASKS)]
        locations = [
            await start_task(one, "conversation", room=each, lines=3, pause=0.2) for each in rooms
        ]
        published = await publish(one, room, ["before"])
        steps = outage(database)
        next(steps)
        published += await publish(one, room, ["meanwhile"])
        assert (await one.get(locations[0])).status_code == 503
        next(steps, None)
        published += await publish(one, room, ["after"])
        tasks = [await end_of(other, location) for location in locations]
        assert {task["status"] for task in tasks} == {"done"}
        for each in rooms:
            batch = (await other.get(f"/polling/{each}/")).json()
            texts = [event["text"] for event in batch["events"]]
            assert len(texts) == len(set(texts)) == 3, each
        assert await collecting == published


async def test_each_process_keeps_its_limit_of_connections(
    database: Database, deployment: list[str]
) -> None:
    async with httpx.AsyncClient(base_url=deployment[0], timeout=30) as http:
        missing = f"/tasks/{uuid.uuid4()}/"
        responses = await asyncio.gather(*(http.get(missing) for _ in range(40)))
        assert {response.status_code for response in responses} == {404}
    ((count,),) = database.primary.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'realtime_%'"
    )
    assert 0 < count <= PROCESSES * CONNECTIONS
