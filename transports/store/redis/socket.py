"""redis-py's connections, made safe to cancel, and closable by a pool while in use.

redis-py sends under `asyncio.wait_for`, which before Python 3.12 swallows a cancellation in the
loop iteration in which its inner task ends (https://github.com/python/cpython/issues/86296): the
task would continue after the command. Requests are cancelled when a client disconnects, a user's
rights end, or the server stops.
"""

# mypy: allow-untyped-calls
# (redis-py does not type its connections fully.)

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import cache

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError


class Cancellable(AbstractConnection):
    """Base class of connections whose commands can be cancelled at any time."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Send as redis-py does, but under `asyncio.timeout` instead of `asyncio.wait_for`."""
        assert not isinstance(command, bytes | str), "pack_command returns a list"
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command(command)
        except BaseException as error:
            await self.disconnect(nowait=True)  # half a command may have been sent
            if isinstance(error, OSError):  # also a timeout
                raise RedisConnectionError(f"Error while writing to socket: {error!r}") from error
            raise

    def cut(self) -> None:
        """Close the socket at once; a task that waits for a response gets an error."""
        self.mark_for_reconnect()
        if self._writer is not None:
            self._writer.close()


@cache
def cancellable(kind: type[AbstractConnection]) -> type[Cancellable]:
    """Return a cancellable subclass of `kind`, redis-py's class for TCP, TLS or Unix sockets."""
    return type(kind.__name__, (Cancellable, kind), {})
