"""redis-py's connections, as tasks that are cancelled need them, and as a pool can cut them.

redis-py sends under `asyncio.wait_for`, which before Python 3.12 swallows a cancellation that comes
in the turn in which its inner task ends (https://github.com/python/cpython/issues/86296): whoever
was to leave stays, and goes on after the command as if nothing had been said. A client that leaves,
a right that ends and a server that stops are all cancellations.
"""

# mypy: allow-untyped-calls
# (redis-py says little of its connections' types.)

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from redis.asyncio import connection, sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


class Cancellable(connection.AbstractConnection):
    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """As redis-py's, which has `asyncio.wait_for` where this has `asyncio.timeout`."""
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()
        if isinstance(command, str):
            command = command.encode()
        if isinstance(command, bytes):
            command = [command]
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command(command)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("Timeout writing to socket") from None
        except OSError as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"Error while writing to socket: {error}") from error
        except BaseException:
            await self.disconnect(nowait=True)  # half a command may have been sent
            raise

    def cut(self) -> None:
        """Close the socket, whatever is under way: whoever waits for an answer hears of it."""
        self.mark_for_reconnect()
        if self._writer is not None:
            self._writer.close()


class Connection(Cancellable, connection.Connection):
    """TCP."""


class TLSConnection(Cancellable, connection.SSLConnection):
    """TCP with TLS."""


class UnixConnection(Cancellable, connection.UnixDomainSocketConnection):
    """A unix socket."""


class MasterConnection(Cancellable, sentinel.SentinelManagedConnection):
    """TCP to whom the Sentinels name."""


class MasterTLSConnection(Cancellable, sentinel.SentinelManagedSSLConnection):
    """TCP with TLS to whom the Sentinels name."""


IN_PLACE_OF: dict[type[connection.AbstractConnection], type[Cancellable]] = {
    each.__bases__[1]: each
    for each in (Connection, TLSConnection, UnixConnection, MasterConnection, MasterTLSConnection)
}
