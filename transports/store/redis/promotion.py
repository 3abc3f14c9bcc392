"""A new epoch after the promotion of a replica, which may lack the last events.

Redis replicates after it has responded, so that a promoted replica may lack the last events and
would reuse their numbers. `INFO replication` of a server that was once a replica has the former
master's replication ID, and the offset up to which both have the same data
(redis.io/docs/latest/operate/oss_and_stack/management/replication). Every connection of the store
checks these fields before its first command, and so before any publish.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from transports.store.base import STORE_TOKEN_LENGTH, new_token

logger = logging.getLogger(__name__)

_FIELD = re.compile(r"^(role|master_replid2|second_repl_offset):(\S+)", re.MULTILINE)
NEVER = "-1"  # the second_repl_offset of a server that was never promoted

# One atomic step: exactly one of the connections begins the epoch.
_RECORD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('SET', KEYS[2], ARGV[2]) end
return 1
"""

SetUp = Callable[[AbstractConnection], Awaitable[None]]


def set_up(promotion_key: str, store_key: str) -> SetUp:
    """Return a `redis_connect_func` for redis-py, which sets up each connection.

    It rejects a replica. After a promotion that `promotion_key` does not record yet, it stores a
    new token in `store_key`. Raises `redis.RedisError`.
    """

    async def connected(connection: AbstractConnection) -> None:
        await connection.on_connect()
        try:
            replication = await _execute(connection, "INFO", "replication")
        except NoPermissionError:
            logger.warning("This Redis user may not run INFO: promotions will not be detected.")
            return
        fields = dict(_FIELD.findall(replication.decode()))
        if fields.get("role", "master") != "master":
            # Demoted to replica; Sentinel has not caught up.
            raise RedisConnectionError("This Redis is a replica.")
        if not fields.keys() >= {"master_replid2", "second_repl_offset"}:
            logger.warning("This Redis does not report whether it was a replica.")
        elif fields["second_repl_offset"] != NEVER:
            marker = f"{fields['master_replid2']}:{fields['second_repl_offset']}"
            keys = promotion_key, store_key
            token = new_token(STORE_TOKEN_LENGTH)
            if await _execute(connection, "EVAL", _RECORD, len(keys), *keys, marker, token):
                logger.warning("This Redis is a promoted replica: a new epoch begins.")

    return connected


async def _execute(connection: AbstractConnection, *command: str | int) -> bytes:
    await connection.send_command(*command)
    response: bytes = await connection.read_response()
    return response
