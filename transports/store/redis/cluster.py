"""Store in the Redis Streams of a Redis Cluster.

The rooms of a hash tag (`cluster_client`) share the first part of their epochs.
"""

# mypy: allow-untyped-calls
# (redis-py does not type its cluster client fully.)

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError

from transports.events import Cursor
from transports.store.base import StoreUnavailable, group_of
from transports.store.redis.appends import Appends, Call
from transports.store.redis.cluster_client import TIMEOUT, ClusterClient, bucket_of
from transports.store.redis.store import APPEND, BEGIN, RedisStore, reached

# Begin a new epoch if a replica has been promoted. A key for each bucket stores the node and the
# replication ID of its last append, or of its first epoch. Each append compares them, as does a
# read whose cursor does not match: connections to a cluster outlive a failover. If the stored node
# is another one that is still a master, nothing was promoted: the slot was moved, with its keys.
# `promotion` explains the fields of `INFO replication`.
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
        self._begin_epoch = reader.register_script(_PROMOTION + BEGIN)
        # A lane for each room: a paused node must not delay the rooms of the others.
        self._append = Appends(self._call, self._run, str)

    def _tag(self, room: str) -> str:
        return f":{{{bucket_of(group_of(room))}}}"

    @property
    def shared_prefix(self) -> str:
        return f"{{{self._prefix}}}"

    def _keys(self, room: str, once: list[str]) -> list[str]:
        return [*super()._keys(room, once), f"{self._prefix}:promotion{self._tag(room)}"]

    async def _run(self, calls: list[Call]) -> list[Any]:
        return [await self._append_script(*call) for call in calls]  # of one room

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
            await self._begin(room)  # a new epoch, if nothing was appended since a promotion
        return bool(claims)

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        rooms = list(rooms)
        if not rooms:  # the caller only checks that Redis is available
            client = cast(ClusterClient, self._reader)
            info = await reached(client.cluster_info(target_nodes=client.RANDOM))
            if info["cluster_state"] != "ok":
                raise StoreUnavailable("Redis: The cluster is down.")
            return {}
        return await super().heads(rooms)

    async def close(self) -> None:
        for each in (self._redis, self._reader):
            await cast(ClusterClient, each).disconnect()
