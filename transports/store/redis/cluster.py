"""Store in the Redis Streams of a Redis Cluster.

A room's keys share a hash tag, one of `BUCKETS`, so that one script may use them; the rooms of a
bucket share the first part of their epochs. A cluster assigns the tags' slots to its masters
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

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode, ClusterPipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, MovedError, NoScriptError, RedisClusterException
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from transports.events import Cursor
from transports.store.base import STORE_TOKEN_LENGTH, new_token
from transports.store.redis.connection import POOL_TIMEOUT
from transports.store.redis.log import head_of
from transports.store.redis.store import APPEND, RedisStore, reached, scanned
from transports.store.redis.url import cluster_nodes

BUCKETS = 1_024  # hash tags: many more than masters, and few enough for a key each
TIMEOUT = 2.0  # seconds for a response: a paused node must not delay the rooms of the others

# Before an append: begin a new epoch if a replica has been promoted since the bucket's last append,
# or first epoch, of which a key notes the node and its replication ID. Connections outlive a
# failover here, so it is checked by each append. A reader needs no check: a lost event that it has
# read is after the last one in the stream. Another node that is a master still has not been
# replaced: the slot has moved from it, with its keys. `promotion` explains the fields of
# `INFO replication`.
_PROMOTION = """
local key = table.remove(KEYS)
local replication = redis.pcall('INFO', 'replication')
if type(replication) == 'string' then
  local id = string.match(replication, 'master_replid:(%S+)')
  local former_id = string.match(replication, 'master_replid2:(%S+)')
  local was_replica = string.match(replication, 'second_repl_offset:(%S+)') ~= '-1'
  local noted_node, noted_id = string.match(redis.call('GET', key) or '', '(%S+) (%S+)')
  if noted_id ~= id then
    local node, promoted = redis.call('CLUSTER', 'MYID'), false
    if noted_id == former_id then
      promoted = true
    elseif noted_node == node then
      promoted = was_replica
    elseif noted_node then
      local nodes = redis.call('CLUSTER', 'NODES')
      local flags = ',' .. (string.match(nodes, noted_node .. ' %S+@%S+ (%S+)') or '') .. ','
      promoted = not string.find(flags, ',master,') or string.find(flags, ',fail,')
    end
    if promoted and redis.call('EXISTS', KEYS[2]) == 1 then
      redis.call('SET', KEYS[2], ARGV[1])
    end
    redis.call('SET', key, node .. ' ' .. id)
  end
end
"""

_BEGIN = """
redis.call('SET', KEYS[2], ARGV[1], 'NX')
return redis.call('GET', KEYS[2])
"""


def bucket_of(room: str) -> int:
    return zlib.crc32(room.encode()) % BUCKETS


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
        except (RedisClusterException, KeyError) as error:  # KeyError: a slot without a node
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


class ClusterStore(RedisStore):
    """A `RedisStore` in the cluster that `url` names."""

    def _connect(self, url: str, connections: int) -> None:
        options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
        # As in RedisStore: an append is not retried. A redirection is no retry: the append has not
        # happened.
        writer = ClusterClient(url, connections, retry=Retry(NoBackoff(), 0), **options)
        reader = ClusterClient(url, connections, retry=Retry(NoBackoff(), 1), **options)
        self._redis, self._reader = cast(Redis, writer), cast(Redis, reader)
        self._append = writer.register_script(_PROMOTION + APPEND)
        self._begin_epoch = reader.register_script(_PROMOTION + _BEGIN)

    def _key(self, room: str) -> str:
        return f"{self._prefix}:room:{{{bucket_of(room)}}}:{room}"

    def _once_key(self, room: str, key: str) -> str:
        return f"{self._prefix}:once:{{{bucket_of(room)}}}:{key}"

    def _store_key(self, room: str) -> str:
        return f"{self._prefix}:epoch:{{{bucket_of(room)}}}"

    @property
    def shared_prefix(self) -> str:
        return f"{{{self._prefix}}}"

    def _append_keys(self, room: str, once: list[str]) -> list[str]:
        promotion = f"{self._prefix}:promotion:{{{bucket_of(room)}}}"
        return [*super()._append_keys(room, once), promotion]

    async def _confirm(self, room: str) -> bool:
        # A former master claims its slots until it learns of the promotion. Of all claims, the
        # one of the greatest configuration epoch is valid (cluster-spec, "Configuration epoch").
        client = cast(ClusterClient, self._reader)
        slot = client.keyslot(self._key(room))
        answers = await asyncio.gather(
            *(
                client.execute_command("CLUSTER NODES", target_nodes=[node])
                for node in client.get_nodes()
            ),
            return_exceptions=True,
        )
        claims = [
            (int(node["epoch"]), address)
            for nodes in answers
            if not isinstance(nodes, BaseException)
            for address, node in nodes.items()
            if any(int(slots[0]) <= slot <= int(slots[-1]) for slots in node["slots"])
        ]
        if claims:
            _, address = max(claims)
            await client.nodes_manager.move_slot(MovedError(f"{slot} {address}"))
        return bool(claims)

    async def _begin(self, room: str) -> str:
        token = new_token(STORE_TOKEN_LENGTH)
        store_token: bytes = await reached(
            self._begin_epoch(keys=self._append_keys(room, []), args=[token])
        )
        return store_token.decode()

    async def rooms(self) -> list[str]:
        keys = self._reader.scan_iter(f"{self._prefix}:room:*", count=1_000)
        return sorted({key.decode().rpartition(":")[2] async for key in scanned(keys)})

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        rooms = list(rooms)
        if not rooms:  # is Redis available?
            await reached(cast(Any, self._reader.execute_command("PING", target_nodes="random")))
            return {}
        buckets = {bucket_of(room): room for room in rooms}
        async with self._reader.pipeline(transaction=False) as pipe:
            for room in rooms:
                pipe.xrevrange(self._key(room), count=1)
            for room in buckets.values():
                pipe.get(self._store_key(room))
            responses = await reached(pipe.execute())
        tokens = dict(zip(buckets, responses[len(rooms) :], strict=True))
        heads: dict[str, Cursor] = {}
        for room, entries in zip(rooms, responses, strict=False):
            token = tokens[bucket_of(room)]
            store_token = token.decode() if token else await self._begin(room)
            heads[room] = head_of(entries[0] if entries else None, store_token)
        return heads
