"""Store in Redis Streams, shared by all processes with the same `REDIS_URL`.

One key for each room, so that a flush, an eviction or an expiry deletes the numbering and the
events together: each entry has its epoch, and its ID is its seq. `log` makes batches of a stream's
entries, `promotion` begins a new epoch after a replica was promoted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from channels.layers import get_channel_layer
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from transports.conf import conf
from transports.events import Batch, Cursor, Draft, Event
from transports.store.base import (
    DAY,
    ROOM_TOKEN_LENGTH,
    STORE_TOKEN_LENGTH,
    Extent,
    StoreUnavailable,
    group_of,
    new_token,
    now,
)
from transports.store.redis.appends import Append, Appends, Call
from transports.store.redis.connection import CONNECTIONS, Pool, client
from transports.store.redis.log import (
    Entry,
    backlog,
    cursor_of,
    event_of,
    head_of,
    next_batch,
    whole_batch,
)
from transports.store.redis.promotion import set_up
from transports.store.redis.pubsub import PubSubChannelLayer

# Redis runs a script as one atomic step: no number is used twice, and no number can be read
# without its event. XADD with `0-*` would need Redis 7. The arguments from the seventh on are
# events, three for each. With a channel, the script also wakes the processes that serve the room,
# by the message that `feed` would send through the channel layer.
APPEND = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, seq
if last then
  epoch, seq = last[2][2], tonumber(string.match(last[1], '^%d+'))
  local store = redis.call('GET', KEYS[2])
  if store then epoch = store .. string.sub(epoch, #store + 1) end
else
  redis.call('SET', KEYS[2], ARGV[1], 'NX')
  epoch, seq = redis.call('GET', KEYS[2]) .. ARGV[2], 0
end
local ids, events, id = {}, {}, nil
for i = 7, #ARGV, 3 do
  local key = KEYS[tonumber(ARGV[i + 1])]
  if key and redis.call('EXISTS', key) == 1 then
    ids[#ids + 1] = false
  else
    seq = seq + 1
    local number = string.format('%.0f', seq)
    id = epoch .. '-' .. number
    local event = '{"id":"' .. id .. '"' .. ARGV[i]
    redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[3], number .. '-0', 'epoch', epoch, 'event', event)
    if key then redis.call('SET', key, id, 'EX', ARGV[i + 2]) end
    ids[#ids + 1], events[#events + 1] = id, event
  end
end
if id then
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  if ARGV[6] ~= '' then
    local lines = table.concat(events, '\\n')
    local message = {type = 'feed.event', room = ARGV[5], id = id, event = lines}
    redis.pcall(PUBLISH, ARGV[6], cmsgpack.pack(message))
  end
end
return ids
"""
PUBLISH = "local PUBLISH = 'PUBLISH'"
BEGIN = """
redis.call('SET', KEYS[2], ARGV[1], 'NX')
return redis.call('GET', KEYS[2])
"""


class RedisStore:
    """A store of `length` events a room; a room unused for `expiry` seconds is deleted.

    Has two pools of `connections` each: one to publish, one to read. `channel_of` returns the
    pub/sub channel of a group; with it, an append wakes the processes that serve the room.
    """

    def __init__(
        self,
        url: str,
        *,
        length: int,
        backlog: int,
        expiry: int,
        prefix: str,
        connections: int = CONNECTIONS,
        channel_of: Callable[[str], str] | None = None,
    ) -> None:
        self.wakes = channel_of is not None
        self._channel_of = channel_of
        self._length = length
        self._backlog = backlog
        self._expiry = expiry
        self._prefix = prefix
        self._connect(url, connections)

    def _connect(self, url: str, connections: int) -> None:
        # An append whose response was lost may have happened: do not retry it, or the event could
        # be duplicated. Retry a read once: after a restart of Redis a connection first reports
        # that it was closed.
        options: dict[str, Any] = {
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "health_check_interval": 0,
            "max_connections": connections,
            "redis_connect_func": set_up(f"{self._prefix}:promotion", self._store_key("")),
        }
        self._redis = client(url, retry=Retry(NoBackoff(), 0), **options)
        self._reader = client(url, retry=Retry(NoBackoff(), 1), **options)
        self._pool = cast(Pool, self._reader.connection_pool)
        self._script = PUBLISH + APPEND
        self._sha = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._begin_epoch = self._reader.register_script(BEGIN)
        self._append = Appends(self._call, self._run, lambda room: "")

    @classmethod
    def from_settings(cls) -> RedisStore:
        layer = get_channel_layer()
        is_same = isinstance(layer, PubSubChannelLayer) and layer.url == conf.REDIS_URL
        return cls(
            conf.REDIS_URL,
            length=conf.HISTORY_LENGTH,
            backlog=conf.BACKLOG_LENGTH,
            expiry=conf.HISTORY_EXPIRY,
            prefix=conf.REDIS_PREFIX,
            connections=conf.REDIS_CONNECTIONS,
            channel_of=layer.channel_of if is_same else None,
        )

    @property
    def redis(self) -> Redis:
        """The connections that publish, also for data stored beside the events."""
        return self._redis

    def _tag(self, room: str) -> str:
        """Return the hash tag in the room's keys: none, except in a cluster."""
        return ""

    def _key(self, room: str) -> str:
        return f"{self._prefix}:room{self._tag(room)}:{room}"

    def _once_key(self, room: str, key: str) -> str:
        return f"{self._prefix}:once{self._tag(room)}:{key}"

    def _store_key(self, room: str) -> str:
        """Return the key of the store's token, the first part of the room's epoch."""
        return f"{self._prefix}:epoch{self._tag(room)}"

    @property
    def shared_prefix(self) -> str:
        """The prefix of keys for data beside the events; one script may use several of them."""
        return self._prefix

    def _keys(self, room: str, once: list[str]) -> list[str]:
        """Return the keys of an append: those in `once` may be used once."""
        return [self._key(room), self._store_key(room), *once]

    def _call(self, room: str, appends: list[Append]) -> Call:
        once = [append.key for append in appends if append.key]
        channel = self._channel_of(group_of(room)) if self._channel_of else ""
        tokens = new_token(STORE_TOKEN_LENGTH), new_token(ROOM_TOKEN_LENGTH)
        arguments = [*tokens, self._length, self._expiry, room, channel]
        index = 3  # of KEYS, which Lua counts from 1
        for append in appends:
            arguments += append.body, index if append.key else 0, append.remember
            index += bool(append.key)
        return self._keys(room, once), arguments

    async def _run(self, calls: list[Call]) -> list[Any]:
        # EVAL caches the script for the calls after it: no separate SCRIPT LOAD.
        commands = ("EVAL", self._script), *[("EVALSHA", self._sha)] * (len(calls) - 1)
        async with self._redis.pipeline(transaction=False) as pipe:
            for (name, script), (keys, arguments) in zip(commands, calls, strict=True):
                pipe.execute_command(name, script, len(keys), *keys, *arguments)
            return await pipe.execute(raise_on_error=False)

    async def append(self, draft: Draft) -> Event:
        event = await self._appended("", draft)
        assert event is not None
        return event

    async def append_once(self, key: str, draft: Draft, remember: int = DAY) -> Event | None:
        return await self._appended(self._once_key(draft.room, key), draft, remember)

    async def identity(self, room: str, key: str) -> str | None:
        event_id: bytes | None = await reached(self._reader.get(self._once_key(room, key)))
        return None if event_id is None else event_id.decode()

    async def _appended(self, key: str, draft: Draft, remember: int = DAY) -> Event | None:
        event = draft.event("", now())
        body = event.encoded.removeprefix(b'{"id":""')
        identity = await reached(self._append(draft.room, body, key, remember))
        if identity is None:
            return None
        numbered = replace(event, id=identity.decode())
        numbered.__dict__["encoded"] = b'{"id":"%b"%b' % (identity, body)  # as the script's
        return numbered

    async def find(self, room: str, cursor: Cursor) -> Event | None:
        if cursor.seq == 0:  # Redis has no entry 0-0 and would respond with an error
            return None
        entry_id = f"{cursor.seq}-0"
        entries: list[Entry] = await reached(
            self._reader.xrange(self._key(room), entry_id, entry_id)
        )
        if not entries or cursor_of(entries[0]) != cursor:
            return None
        return event_of(entries[0])

    async def rooms(self) -> list[str]:
        # SCAN in steps, not as a snapshot, so that Redis can serve other commands meanwhile.
        async def keys() -> list[bytes]:
            pattern = f"{self._prefix}:room:*"
            return [key async for key in self._reader.scan_iter(pattern, count=1_000)]

        return sorted({key.decode().rpartition(":")[2] for key in await reached(keys())})

    async def read(self, room: str, since: Cursor | None) -> Batch:
        batch = await self._next(room, since)
        if batch is None and await self._confirm(room):
            # A former master does not know the epoch that its promoted replica has begun: it
            # would repeat all events to a subscriber that has read from the replica.
            batch = await self._next(room, since)
        return batch or await self._whole(room, cast(Cursor, since))

    async def _confirm(self, room: str) -> bool:
        """Return whether the reader is now certain to read the present master."""
        return await self._pool.confirm()

    async def _next(self, room: str, since: Cursor | None) -> Batch | None:
        """Return the events after `since`; None if some of them may be missing."""
        # Not in MULTI, in which a Redis whose memory is full rejects even reads. So an append or
        # a flush may come between these commands: the result relies on one of them alone, and the
        # store's epoch is read last, so that it is never older than an entry's.
        key = self._key(room)
        async with self._reader.pipeline(transaction=False) as pipe:
            pipe.xrevrange(key, count=1 if since else max(1, self._backlog))
            if since is not None:
                pipe.xrange(key, min=f"{since.seq}-0" if since.seq else "-")
            pipe.get(self._store_key(room))
            newest, *from_since, token = await reached(pipe.execute())
        store_token = token.decode() if token else ""
        if not store_token and not newest:
            store_token = await self._begin(room)
        if since is None:
            return backlog(room, newest[::-1], self._backlog, store_token)
        return next_batch(room, since, from_since[0], newest[0] if newest else None, store_token)

    async def _whole(self, room: str, since: Cursor) -> Batch:
        # The whole log in one command, so that the reset's count matches the events after it.
        async with self._reader.pipeline(transaction=False) as pipe:
            pipe.xrange(self._key(room))
            pipe.get(self._store_key(room))
            entries, token = await reached(pipe.execute())
        if entries:
            return whole_batch(room, since, entries, token.decode() if token else "")
        head = (await self.heads([room]))[room]
        return Extent(head.epoch, 1, 0).batch(room, since, ())

    async def heads(self, rooms: Iterable[str]) -> dict[str, Cursor]:
        rooms = list(rooms)
        store_keys = list(dict.fromkeys(map(self._store_key, rooms or [""])))
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

    async def _begin(self, room: str) -> str:
        """Set and return the store's token, which begins every epoch until Redis is flushed."""
        token = new_token(STORE_TOKEN_LENGTH)
        store_token: bytes = await reached(self._begin_epoch(self._keys(room, []), [token]))
        return store_token.decode()

    async def close(self) -> None:
        await self._redis.aclose()
        await self._reader.aclose()


async def reached(command: Awaitable[Any]) -> Any:
    """Return the response to `command`. Raises `StoreUnavailable`."""
    try:
        return await command
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"Redis: {error}") from error
