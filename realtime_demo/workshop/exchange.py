"""An HTTP request on a connection of its own, with every byte of its response."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import h11

from transports.client import batch_of
from transports.events import Batch, Event


class Unexpected(Exception):
    """A response that does not meet a case's requirement.

    `received` has the bytes of the response; `values` fill the placeholders of the case's text.
    """

    def __init__(self, received: bytes | bytearray = b"", **values: object) -> None:
        super().__init__(values)
        self.received = bytes(received)
        self.values = values


class NoResponse(Unexpected):
    """A response that has not begun within `seconds`."""


class WrongStatus(Unexpected):
    """A response with another status than the `expected` one."""


class Exchange:
    """A response as it arrives. `body` is decoded from its chunks; `received` is not."""

    def __init__(self, reader: asyncio.StreamReader, patience: float) -> None:
        self.received = bytearray()
        self.body = bytearray()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        self._reader = reader
        self._patience = patience
        self._parser = h11.Connection(h11.CLIENT)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        port: int,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        *,
        body: bytes | None = None,
        receive_buffer: int = 0,
        patience: float,
    ) -> AsyncIterator[Exchange]:
        """Send a GET, or a POST of `body`, and yield its response; close the connection after it.

        `receive_buffer` limits the bytes that the kernel takes unread; `patience` is in seconds.
        """
        connection = socket.socket()
        connection.setblocking(False)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=2**16)
        exchange = cls(reader, patience)
        fields = [("Host", f"127.0.0.1:{port}"), *headers]
        if body is not None:
            fields += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request = h11.Request(
            method="GET" if body is None else "POST", target=target, headers=fields
        )
        try:
            writer.write(exchange._parser.send(request) or b"")
            writer.write(exchange._parser.send(h11.Data(data=body)) or b"" if body else b"")
            writer.write(exchange._parser.send(h11.EndOfMessage()) or b"")
            yield exchange
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def head(self, status: int = 200) -> None:
        """Wait for the response's head. Raises `NoResponse` and `WrongStatus`."""
        if not await self.until(lambda: self.status):
            raise NoResponse(self.received, seconds=self._patience)
        if self.status != status:
            raise WrongStatus(self.received, expected=status, got=self.status)

    async def until(self, condition: Callable[[], object], seconds: float | None = None) -> bool:
        """Read until `condition()` is true; return False at the response's end or after `seconds`.

        The default of `seconds` is the patience of the check.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience if seconds is None else seconds):
                while not condition() and not self.ended:
                    self._parse(await self._reader.read(2**16))
        return bool(condition())

    def _parse(self, data: bytes) -> None:
        self.received += data
        self._parser.receive_data(data)
        while True:
            event = self._parser.next_event()
            match event:
                case h11.Response():
                    self.status = event.status_code
                    self.headers = {
                        name.decode().lower(): value.decode("latin-1")
                        for name, value in event.headers
                    }
                case h11.Data():
                    self.body += event.data
                case h11.EndOfMessage() | h11.ConnectionClosed():
                    self.ended = True
                    return
                case h11.InformationalResponse():
                    pass
                case _:
                    return

    async def batch(self) -> Batch:
        """Return the batch in the whole body. Raises `InvalidEvent` and `Unexpected`."""
        await self.head()
        if not await self.until(lambda: self.ended):
            raise NoResponse(self.received, seconds=self._patience)
        return batch_of(json.loads(self.body))

    @property
    def events(self) -> list[Event]:
        """The events in the complete lines of the body. Raises `InvalidEvent`."""
        lines = bytes(self.body).split(b"\n")[:-1]
        return [Event.decode(line) for line in lines if line.strip()]


def texts(events: Sequence[Event]) -> str:
    """Return the texts of `events`, for a message."""
    return ", ".join(event.text for event in events) or "-"
