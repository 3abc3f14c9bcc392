"""Connections to Redis: to one server, or to whichever is master by the word of Sentinels."""

# mypy: allow-untyped-calls
# (redis-py says little of its Sentinels' types.)

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

from transports.store.redis.socket import IN_PLACE_OF
from transports.store.redis.url import layer_host

CONNECTIONS = 8  # of a pool, unless it is said otherwise
FRESHNESS = 1.0  # seconds for which the Sentinels' word is taken
HESITATION = 0.1  # seconds in which the other Sentinels may answer once one has
PATIENCE = 5.0  # seconds that a command waits for one of them


def client(url: str, **options: Any) -> Redis:
    """A client of the server, or of whoever is master now. Raises `InvalidRedisURL`."""
    return Redis.from_pool(pool(layer_host(url, **options)))


def pool(host: dict[str, Any]) -> Pool:
    """The connections of what `layer_host` has made."""
    options = dict(host)
    if "address" in options:
        return Pool.from_url(options.pop("address"), **options)
    sentinel = Sentinels(options.pop("sentinels"), sentinel_kwargs=options.pop("sentinel_kwargs"))
    return MasterPool(options.pop("master_name"), sentinel, **options)


class Pool(ConnectionPool):
    """`max_connections` connections, all of them opened when the first is needed.

    Whoever finds all of them in use waits, for up to `PATIENCE`: Redis does one thing at a time,
    so that a storm of requests would gain nothing by a connection each, and redis-py would keep
    as many as there ever were. (redis-py's BlockingConnectionPool waits too, on an
    `asyncio.Condition`, which before Python 3.13 can lose a wake-up to a waiter that is
    cancelled; requests are cancelled whenever a client leaves.)
    """

    def __init__(self, max_connections: int = CONNECTIONS, **options: Any) -> None:
        kind = options.pop("connection_class", redis.asyncio.Connection)
        super().__init__(IN_PLACE_OF[kind], max_connections, **options)
        self._free = asyncio.Semaphore(max_connections)
        self._is_open = False

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        connection = await self._take()
        if not self._is_open:
            self._is_open = True
            try:
                await self._open_the_others()
            except BaseException:
                await self.release(connection)
                raise
        return connection

    async def _open_the_others(self) -> None:
        taken: list[AbstractConnection] = []
        try:
            with contextlib.suppress(RedisError, OSError):  # whoever needs one will hear of it
                for _ in range(self.max_connections - 1):
                    taken.append(await self._take())
        finally:
            for each in taken:
                await self.release(each)

    async def _take(self) -> AbstractConnection:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError as error:
            raise RedisConnectionError("Every connection to Redis is in use.") from error
        connection: AbstractConnection = self.get_available_connection()
        try:
            await self.ensure_connection(connection)
        except BaseException:
            # Connected it may be, and redis-py would take it for ready: its set-up is not over.
            await connection.disconnect(nowait=True)
            await self.release(connection)
            raise
        return connection

    async def confirm(self) -> bool:
        """Lead to who is master now; False where there is nobody else it could be."""
        return False

    async def release(self, connection: AbstractConnection) -> None:
        # In one go: a place that a cancellation kept would be gone for good.
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)
        self._free.release()
        if connection.should_reconnect():
            await connection.disconnect(nowait=True)


class Sentinels(Sentinel):
    """All of them are asked: they learn of a failover one after the other, for two seconds.

    The newest configuration is right, which is the one with the highest epoch
    (redis.io/docs/latest/operate/oss_and_stack/management/sentinel, "Configuration epochs").
    redis-py believes the first that answers.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Where the master is. Raises `MasterNotFoundError`."""
        asking = [asyncio.ensure_future(each.sentinel_masters()) for each in self.sentinels]
        try:
            late = set(asking)
            while late and not any(map(_has_answered, asking)):
                _, late = await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
            if late:
                await asyncio.wait(late, timeout=HESITATION)
            answers: list[Any] = [each.result() for each in asking if _has_answered(each)]
        finally:
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        states = [answer[service_name] for answer in answers if service_name in answer]
        newest = max((state["config-epoch"] for state in states), default=0)
        for state in states:
            if state["config-epoch"] == newest and self.check_master_state(state, service_name):
                return state["ip"], state["port"]
        raise MasterNotFoundError(
            f"{len(answers)} of {len(asking)} Sentinels answer, and name no {service_name!r}."
        )


def _has_answered(asking: asyncio.Future[Any]) -> bool:
    return asking.done() and not asking.cancelled() and asking.exception() is None


class MasterPool(SentinelConnectionPool, Pool):
    """Connections to whom the Sentinels name as master.

    redis-py asks for each new connection alone, and a former master that is alive goes on
    taking what it will lose, for as long as nobody has told it (about ten seconds). So they are
    asked once a second too, while the pool is used.
    """

    def __init__(self, name: str, sentinel: Sentinel, **options: Any) -> None:
        super().__init__(name, sentinel, **options)
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._confirming: asyncio.Task[None] | None = None

    async def _take(self) -> AbstractConnection:
        loop = asyncio.get_running_loop()
        if self._asking is None and loop.time() - self._asked_at > FRESHNESS:
            self._asked_at = loop.time()
            self._asking = loop.create_task(self._ask())
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=FRESHNESS / 5)
            if self._asking is not None and self._asking.done():
                self._asking = None
        return await super()._take()

    async def confirm(self) -> bool:
        # Anew: what asks for it may be newer than the Sentinels' last word.
        if self._confirming is None:
            self._confirming = asyncio.get_running_loop().create_task(self._ask_anew())
        await asyncio.wait({self._confirming})
        return True

    async def _ask_anew(self) -> None:
        self._confirming = None  # who comes later asks anew; those before it share the answer
        await self._ask()

    async def _ask(self) -> None:
        # Where no Sentinel answers the connections there are may be good.
        with contextlib.suppress(RedisError, OSError):
            await self.get_master_address()

    async def get_master_address(self) -> tuple[str, int]:
        """Whom the Sentinels name. Closes the connections to anybody else.

        Also those in use, which redis-py leaves: a channel layer's reader would wait there in vain.
        """
        address: tuple[str, int] = await super().get_master_address()
        in_use: list[Any] = list(self._in_use_connections)
        for each in in_use:
            if each.is_connected and (each.host, each.port) != address:
                each.cut()
        return address

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close them; if all, those to the Sentinels too."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for asking in (self._asking, self._confirming):
                if asking is not None:
                    asking.cancel()
            for each in self.sentinel_manager.sentinels:
                await each.aclose()
