"""Store in the Redis Streams of a Redis Cluster.

The rooms of a hash tag (`cluster_client`) share the first part of their epochs.
"""

# mypy: allow-untyped-calls
# (redis-py does not type its cluster client fully.)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from transports.events import Cursor
from transports.store.base import group_of
from transports.store.redis.appends import Appends, Call
from transports.store.redis.cluster_client import TIMEOUT, ClusterClient, bucket_of
from transports.store.redis.log import head_of
from transports.store.redis.store import APPEND, RedisStore, reached, scanned

# Before an append: begin a new epoch if this server has been promoted since the last one, as
# `promotion` explains. Connections outlive a failover here, so it is checked by each append. A
# reader needs no check: a lost event that it has read is after the last one in the stream.
_PROMOTION = """
local promotion = table.remove(KEYS)
local replication = redis.pcall('INFO', 'replication')
if type(replication) == 'string' then
  local offset = string.match(replication, 'second_repl_offset:(%S+)')
  local marker = string.match(replication, 'master_replid2:(%S+)') .. ':' .. offset
  if redis.call('GET', promotion) ~= marker then
    if offset ~= '-1' and redis.call('EXISTS', KEYS[2]) == 1 then
      redis.call('SET', KEYS[2], ARGV[1])
    end
    redis.call('SET', promotion, marker)
  end
end
"""
# `redis.REDIS_VERSION_NUM` exists since Redis 7, as sharded pub/sub does.
_PUBLISH = "local PUBLISH = redis.REDIS_VERSION_NUM and 'SPUBLISH' or 'PUBLISH'"


class ClusterStore(RedisStore):
    """A `RedisStore` in the cluster that `url` names."""

    def _connect(self, url: str, connections: int) -> None:
        options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
        # As in RedisStore: an append is not retried. A redirection is no retry: the append has not
        # happened.
        writer = ClusterClient(url, connections, retry=Retry(NoBackoff(), 0), **options)
        reader = ClusterClient(url, connections, retry=Retry(NoBackoff(), 1), **options)
        self._redis, self._reader = cast(Redis, writer), cast(Redis, reader)
        self._append_script = writer.register_script(_PROMOTION + _PUBLISH + APPEND)
        # A lane for each room: a paused node must not delay the rooms of the others.
        self._append = Appends(self._call, self._run, str)

    def _tag(self, room: str) -> str:
        return f"{{{bucket_of(group_of(room))}}}"

    def _key(self, room: str) -> str:
        return f"{self._prefix}:room:{self._tag(room)}:{room}"

    def _once_key(self, room: str, key: str) -> str:
        return f"{self._prefix}:once:{self._tag(room)}:{key}"

    def _store_key(self, room: str) -> str:
        return f"{self._prefix}:epoch:{self._tag(room)}"

    @property
    def shared_prefix(self) -> str:
        return f"{{{self._prefix}}}"

    def _keys(self, room: str, once: list[str]) -> list[str]:
        return [*super()._keys(room, once), f"{self._prefix}:promotion:{self._tag(room)}"]

    async def _run(self, calls: list[Call]) -> list[Any]:
        return [await self._append_script(*call) for call in calls]  # of one room

    async def _confirm(self) -> bool:
        return False

    async def rooms(self) -> list[str]:
        keys = self._reader.scan_iter(f"{self._prefix}:room:*", count=1_000)
        return sorted({key.decode().rpartition(":")[2] async for key in scanned(keys)})

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        rooms = list(rooms)
        if not rooms:  # is Redis available?
            await reached(cast(Any, self._reader.execute_command("PING", target_nodes="random")))
            return {}
        store_keys = list(dict.fromkeys(map(self._store_key, rooms)))
        async with self._reader.pipeline(transaction=False) as pipe:
            for room in rooms:
                pipe.xrevrange(self._key(room), count=1)
            for key in store_keys:
                pipe.get(key)
            responses = await reached(pipe.execute())
        tokens = dict(zip(store_keys, responses[len(rooms) :], strict=True))
        heads: dict[str, Cursor] = {}
        for room, entries in zip(rooms, responses, strict=False):
            token = tokens[self._store_key(room)]
            store_token = token.decode() if token else await self._begin(room)
            heads[room] = head_of(entries[0] if entries else None, store_token)
        return heads
