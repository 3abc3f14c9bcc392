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

from redis.asyncio import connection, sentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError


class Cancellable(connection.AbstractConnection):
    """Base class of connections whose commands can be cancelled at any time."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Send as redis-py does, but under `asyncio.timeout` instead of `asyncio.wait_for`."""
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
        """Close the socket at once; a task that waits for a response gets an error."""
        self.mark_for_reconnect()
        if self._writer is not None:
            self._writer.close()


class TCPConnection(Cancellable, connection.Connection):
    """TCP."""


class TLSConnection(Cancellable, connection.SSLConnection):
    """TCP with TLS."""


class UnixConnection(Cancellable, connection.UnixDomainSocketConnection):
    """A Unix socket."""


class MasterConnection(Cancellable, sentinel.SentinelManagedConnection):
    """TCP to the master that the Sentinels name."""


class MasterTLSConnection(Cancellable, sentinel.SentinelManagedSSLConnection):
    """TCP with TLS to the master that the Sentinels name."""


IN_PLACE_OF: dict[type[connection.AbstractConnection], type[Cancellable]] = {
    each.__bases__[1]: each
    for each in (
        TCPConnection,
        TLSConnection,
        UnixConnection,
        MasterConnection,
        MasterTLSConnection,
    )
}
