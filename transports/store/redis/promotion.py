"""A replica that was promoted: it begins a new epoch, since it may not have all that was given.

Redis replicates after it has answered, so that a promoted replica may lack the last events, and
would give their numbers again. It says so itself: a server that was a replica once has in
`INFO replication` the former master's replication ID, and the offset up to which they agree
(redis.io/docs/latest/operate/oss_and_stack/management/replication). Every connection of the history
asks for that before it is used for anything, and so before anything is published there.
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

# One atomic step: of all the connections exactly one begins the epoch.
_NOTE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('SET', KEYS[2], ARGV[2]) end
return 1
"""

SetUp = Callable[[AbstractConnection], Awaitable[None]]


def set_up(promotion_key: str, store_key: str) -> SetUp:
    """redis-py's `redis_connect_func`: what each connection does before it is used.

    It refuses a replica, and at a promotion that has not been noted puts a new token in
    `store_key`. Raises `redis.RedisError`.
    """

    async def connected(connection: AbstractConnection) -> None:
        await connection.on_connect()
        try:
            replication = await _ask(connection, "INFO", "replication")
        except NoPermissionError:
            logger.warning("This user of Redis may not ask INFO: no promotion will be noticed.")
            return
        fields = dict(_FIELD.findall(replication.decode()))
        if fields.get("role", "master") != "master":
            # A master no more, and whoever named it does not know yet.
            raise RedisConnectionError("This Redis is a replica.")
        if not fields.keys() >= {"master_replid2", "second_repl_offset"}:
            logger.warning("This Redis does not say whether it was a replica.")
        elif fields["second_repl_offset"] != NEVER:
            marker = f"{fields['master_replid2']}:{fields['second_repl_offset']}"
            keys = promotion_key, store_key
            token = new_token(STORE_TOKEN_LENGTH)
            if await _ask(connection, "EVAL", _NOTE, len(keys), *keys, marker, token):
                logger.warning("This Redis is a replica that was promoted: a new epoch begins.")

    return connected


async def _ask(connection: AbstractConnection, *command: str | int) -> bytes:
    await connection.send_command(*command)
    answer: bytes = await connection.read_response()
    return answer
