"""Connections to Redis: to one server, or to the master that Sentinels name."""

# mypy: allow-untyped-calls
# (redis-py does not type its Sentinels fully.)

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import redis.asyncio
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from transports.store.redis.socket import cancellable
from transports.store.redis.url import layer_host

CONNECTIONS = 8  # in a pool, by default
FRESHNESS = 1.0  # seconds between queries of the Sentinels while the pool is used
OTHERS_TIMEOUT = 0.1  # seconds for the other Sentinels to respond after the first
POOL_TIMEOUT = 5.0  # seconds that a command waits for a free connection


def client(url: str, **options: Any) -> Redis:
    """Return a client of the server, or of the present master. Raises `InvalidRedisURL`."""
    return Redis.from_pool(pool(layer_host(url, **options)))


def pool(host: dict[str, Any]) -> Pool:
    """Return a pool for a result of `layer_host`."""
    options = dict(host)
    if "address" in options:
        return Pool.from_url(options.pop("address"), **options)
    sentinel = Sentinels(options.pop("sentinels"), sentinel_kwargs=options.pop("sentinel_kwargs"))
    return MasterPool(options.pop("master_name"), sentinel, **options)


class Pool(ConnectionPool):
    """A pool of `max_connections` connections, all opened when the first is needed.

    Commands wait for a free connection, up to `POOL_TIMEOUT`. Redis is single-threaded, so a
    larger pool does not help, and redis-py would never shrink it. (redis-py's
    BlockingConnectionPool waits too, on an `asyncio.Condition`, which before Python 3.13 can lose
    a wake-up to a cancelled waiter; requests are cancelled whenever a client disconnects.)
    """

    def __init__(self, max_connections: int = CONNECTIONS, **options: Any) -> None:
        kind = options.pop("connection_class", redis.asyncio.Connection)
        super().__init__(cancellable(kind), max_connections, **options)
        self._free = asyncio.Semaphore(max_connections)
        self._is_open = False

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        connection = await self._take()
        if not self._is_open:
            self._is_open = True
            try:
                await self._open_all()
            except BaseException:
                await self.release(connection)
                raise
        return connection

    async def _open_all(self) -> None:
        taken: list[AbstractConnection] = []
        try:
            with contextlib.suppress(RedisError, OSError):  # the next command gets the error
                for _ in range(self.max_connections - 1):
                    taken.append(await self._take())
        finally:
            for each in taken:
                await self.release(each)

    async def _take(self) -> AbstractConnection:
        try:
            async with asyncio.timeout(POOL_TIMEOUT):
                await self._free.acquire()
        except TimeoutError as error:
            raise RedisConnectionError("Every connection to Redis is in use.") from error
        connection: AbstractConnection = self.get_available_connection()
        try:
            await self.ensure_connection(connection)
        except BaseException:
            # It may be connected but not set up, and redis-py would assume that it is ready.
            await connection.disconnect(nowait=True)
            await self.release(connection)
            raise
        return connection

    async def confirm(self) -> bool:
        """Query the Sentinels for the present master; return False without Sentinels."""
        return False

    async def release(self, connection: AbstractConnection) -> None:
        # No await before this is done: a cancellation would leak the connection.
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)
        self._free.release()
        if connection.should_reconnect():
            await connection.disconnect(nowait=True)


class Sentinels(Sentinel):
    """Queries all Sentinels, as they learn of a failover up to two seconds apart.

    The configuration with the highest epoch is the newest
    (redis.io/docs/latest/operate/oss_and_stack/management/sentinel, "Configuration epochs").
    redis-py uses the first response.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the master's address. Raises `MasterNotFoundError`."""
        queries = [asyncio.ensure_future(each.sentinel_masters()) for each in self.sentinels]
        try:
            pending = set(queries)
            while pending and not any(map(_has_succeeded, queries)):
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if pending:
                await asyncio.wait(pending, timeout=OTHERS_TIMEOUT)
            responses: list[Any] = [each.result() for each in queries if _has_succeeded(each)]
        finally:
            for each in queries:
                each.cancel()
            await asyncio.gather(*queries, return_exceptions=True)
        states = [response[service_name] for response in responses if service_name in response]
        newest = max((state["config-epoch"] for state in states), default=0)
        for state in states:
            if state["config-epoch"] == newest and self.check_master_state(state, service_name):
                return state["ip"], state["port"]
        raise MasterNotFoundError(
            f"{len(responses)} of {len(queries)} Sentinels responded; none knows {service_name!r}."
        )


def _has_succeeded(query: asyncio.Future[Any]) -> bool:
    return query.done() and not query.cancelled() and query.exception() is None


class MasterPool(SentinelConnectionPool, Pool):
    """A pool of connections to the master that the Sentinels name.

    redis-py queries the Sentinels only for new connections. But until a former master is demoted
    (about ten seconds) it accepts writes that will be lost, so query them once a second too,
    while the pool is used.
    """

    def __init__(self, name: str, sentinel: Sentinel, **options: Any) -> None:
        super().__init__(name, sentinel, **options)
        self._querying: asyncio.Task[None] | None = None
        self._queried_at = float("-inf")
        self._confirming: asyncio.Task[None] | None = None

    async def _take(self) -> AbstractConnection:
        loop = asyncio.get_running_loop()
        if self._querying is None and loop.time() - self._queried_at > FRESHNESS:
            self._queried_at = loop.time()
            self._querying = loop.create_task(self._query())
        if self._querying is not None:
            await asyncio.wait({self._querying}, timeout=FRESHNESS / 5)
            if self._querying is not None and self._querying.done():
                self._querying = None
        return await super()._take()

    async def confirm(self) -> bool:
        # Always a new query: the last response may be older than the failover that is suspected.
        if self._confirming is None:
            self._confirming = asyncio.get_running_loop().create_task(self._confirm())
        await asyncio.wait({self._confirming})
        return True

    async def _confirm(self) -> None:
        self._confirming = None  # later callers query again; earlier ones share this response
        await self._query()

    async def _query(self) -> None:
        # If no Sentinel responds, the existing connections may still be good.
        with contextlib.suppress(RedisError, OSError):
            await self.get_master_address()

    async def get_master_address(self) -> tuple[str, int]:
        """Return the master's address, and close connections to any other server.

        Also closes those in use, unlike redis-py: otherwise a channel layer's reader waits forever.
        """
        address: tuple[str, int] = await super().get_master_address()
        in_use: list[Any] = list(self._in_use_connections)
        for each in in_use:
            if each.is_connected and (each.host, each.port) != address:
                each.cut()
        return address

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close the connections; with those in use, also the Sentinels' connections."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for task in (self._querying, self._confirming):
                if task is not None:
                    task.cancel()
            for each in self.sentinel_manager.sentinels:
                await each.aclose()
