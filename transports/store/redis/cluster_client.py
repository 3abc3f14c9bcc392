"""redis-py's client of a Redis Cluster, bounded, and with one kind of error.

The keys and the channel of a room share a hash tag, one of `BUCKETS`, so that one script may use
them. A cluster assigns the tags' slots to its masters
(redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec).
"""

# mypy: allow-untyped-calls
# (redis-py does not type its cluster client fully.)

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.exceptions import ClusterDownError, NoScriptError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from transports.store.redis.connection import POOL_TIMEOUT
from transports.store.redis.url import cluster_nodes

BUCKETS = 1_024  # hash tags: many more than masters, and few enough for a key each
TIMEOUT = 2.0  # seconds for a response: a paused node must not delay the rooms of the others


def bucket_of(group: str) -> int:
    return zlib.crc32(group.encode()) % BUCKETS


class ClusterClient(RedisCluster):
    """redis-py's client of a cluster, with at most `connections` commands at a time.

    Further commands wait, up to `POOL_TIMEOUT`, as in `connection.Pool`. Pipelines wait for each
    other, as a redirected command of a pipeline needs a turn of its own.
    """

    def __init__(self, url: str, connections: int, **options: Any) -> None:
        addresses, more = cluster_nodes(url)
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in addresses],
            require_full_coverage=False,
            max_connections=3 * connections,  # commands, pipelines, and to load the slots
            **more,
            **options,
        )
        self._commands = asyncio.Semaphore(connections)
        self._failed_node: str | None = None
        self.pipelines = asyncio.Semaphore(connections)

    @contextlib.asynccontextmanager
    async def turn(self, turns: asyncio.Semaphore) -> AsyncIterator[None]:
        """Wait for a turn; afterwards, raise a cancellation that redis-py has swallowed.

        Raises `redis.RedisError` for all errors, of which redis-py derives some from `Exception`.
        """
        task = asyncio.current_task()
        cancellations = task.cancelling() if task else 0
        try:
            async with asyncio.timeout(POOL_TIMEOUT):
                await turns.acquire()
        except TimeoutError as error:
            raise RedisConnectionError("Every connection to Redis is in use.") from error
        try:
            yield
        except (RedisClusterException, LookupError) as error:  # a slot or a cluster without a node
            raise RedisConnectionError(f"The cluster is unavailable: {error}") from error
        finally:
            turns.release()
        if task and task.cancelling() > cancellations:  # before Python 3.12 (`socket`)
            raise asyncio.CancelledError

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        async with self.turn(self._commands):
            # After an error, load the slots; last from the node that did not answer.
            await self.initialize(last_failed_node_name=self._failed_node)
            try:
                return await super().execute_command(*arguments, **options)
            except (RedisConnectionError, RedisTimeoutError) as error:
                self._failed_node = getattr(error, "last_failed_node_name", None)
                raise

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        return _Pipeline(self, transaction)  # type: ignore[abstract]

    def register_script(self, script: Any) -> Any:
        """Return a function that runs the script on the node of its keys.

        (redis-py's loads it on all masters, of which one may be unavailable.)
        """
        registered: Any = super().register_script(script)

        async def run(keys: Sequence[str], args: Iterable[Any]) -> Any:
            arguments = [*keys, *args]
            try:
                return await cast(Any, self.evalsha(registered.sha, len(keys), *arguments))
            except NoScriptError:
                return await cast(Any, self.eval(script, len(keys), *arguments))

        return run

    async def disconnect(self) -> None:
        """Close all connections, also after an error, when redis-py's `aclose` closes none."""
        await self.aclose()
        for nodes in ("nodes_cache", "startup_nodes"):
            await self.nodes_manager.aclose(nodes)

    def time(self, **options: Any) -> Any:
        return super().time(target_nodes=self.DEFAULT_NODE, **options)


class _Pipeline(ClusterPipeline):
    async def initialize(self) -> ClusterPipeline:
        return self  # `execute` connects, and its caller handles the errors

    async def execute(
        self, raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        client = cast(ClusterClient, self.cluster_client)
        async with client.turn(client.pipelines):
            try:
                return await super().execute(raise_on_error, allow_redirections)
            except (RedisConnectionError, RedisTimeoutError, ClusterDownError):
                await client.nodes_manager.initialize()  # redis-py does so only before a retry
                raise
