"""Store of the people of all processes, in Redis.

A process's report expires after `LEASE` seconds, so that the people of a killed process are
removed within half a minute.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis

from transports import feed
from transports.presence.base import Everyone, Person
from transports.store.redis.store import RedisStore, reached

LEASE = 20.0  # seconds: two reports, of a process whose connections do not change

# Each script is one atomic step, on Redis' own clock, so that exactly one process receives each
# join and leave. `people` has a field for each person, "room/name": the processes that have them,
# with their expiry; `here` has a field for each process. A report removes expired processes. If the
# reporting process itself has expired, no process could report: Redis was unavailable. The leases
# are then renewed, so that the other processes have time to report.
_HOLD = """
local now, new = tonumber(redis.call('TIME')[1]), {}
for i = 3, #ARGV do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local processes = stored and cjson.decode(stored) or {}
  if not stored then new[#new + 1] = ARGV[i] end
  processes[ARGV[1]] = now + tonumber(ARGV[2])
  redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(processes))
end
redis.call('EXPIRE', KEYS[1], 86400)  -- a day: longer than an outage
return new
"""
_RELEASE = """
local removed = {}
for i = 2, #ARGV do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  if stored then
    local processes = cjson.decode(stored)
    processes[ARGV[1]] = nil
    if next(processes) then
      redis.call('HSET', KEYS[1], ARGV[i], cjson.encode(processes))
    else
      redis.call('HDEL', KEYS[1], ARGV[i])
      removed[#removed + 1] = ARGV[i]
    end
  end
end
return removed
"""
_REPORT = """
local now, removed = tonumber(redis.call('TIME')[1]), {}
local renewed = now + tonumber(ARGV[2])
local reports, last = redis.call('HGETALL', KEYS[2]), nil
for i = 1, #reports, 2 do
  local expires = tonumber(string.match(reports[i + 1], '^%d+'))
  if reports[i] == ARGV[1] then
    last = expires
  elseif expires < now then
    redis.call('HDEL', KEYS[2], reports[i])
  end
end
local was_away = last and last < now
redis.call('HSET', KEYS[2], ARGV[1], renewed .. ' ' .. ARGV[3])
if not last or math.floor(renewed / 3600) > math.floor(last / 3600) then
  redis.call('EXPIRE', KEYS[2], 86400)  -- a day: longer than an outage
end
local people = redis.call('HGETALL', KEYS[1])
for i = 1, #people, 2 do
  local processes, remaining, ended = cjson.decode(people[i + 1]), {}, false
  for process, expires in pairs(processes) do
    if was_away and expires < now then expires, ended = renewed, true end
    if expires < now then ended = true else remaining[process] = expires end
  end
  if not next(remaining) then
    redis.call('HDEL', KEYS[1], people[i])
    removed[#removed + 1] = people[i]
  elseif ended then
    redis.call('HSET', KEYS[1], people[i], cjson.encode(remaining))
  end
end
return removed
"""


class RedisPeople:
    """`transports.presence.base.People` in Redis, under `prefix`."""

    def __init__(self, redis: Redis, *, prefix: str, lease: float = LEASE) -> None:
        self._redis = redis
        self._keys = [f"{prefix}:people", f"{prefix}:here"]
        self._lease = lease
        self._process = secrets.token_hex(6)
        self._hold = redis.register_script(_HOLD)
        self._release = redis.register_script(_RELEASE)
        self._report = redis.register_script(_REPORT)

    @classmethod
    def from_settings(cls) -> RedisPeople:
        store = feed.store()
        assert isinstance(store, RedisStore)
        return cls(store.redis, prefix=store.shared_prefix)

    async def hold(self, people: Iterable[Person]) -> list[Person]:
        return await self._run(self._hold, self._lease, *map("/".join, people))

    async def release(self, people: Iterable[Person]) -> list[Person]:
        return await self._run(self._release, *map("/".join, people))

    async def report(self, connections: dict[str, int]) -> list[Person]:
        return await self._run(self._report, self._lease, json.dumps(connections))

    async def others(self) -> Everyone:
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in self._keys:
                pipe.hgetall(key)
            people, reports = await reached(pipe.execute())
        connections: dict[str, int] = {}
        for process, report in reports.items():
            if process.decode() != self._process:
                for room, count in json.loads(report.partition(b" ")[2]).items():
                    connections[room] = connections.get(room, 0) + count
        return Everyone(connections, {_person(field) for field in people})

    async def _run(self, script: Any, *arguments: Any) -> list[Person]:
        fields = await reached(script(keys=self._keys, args=[self._process, *arguments]))
        return [_person(field) for field in fields]


def _person(field: bytes) -> Person:
    room, _, name = field.decode().partition("/")
    return Person(room, name)
