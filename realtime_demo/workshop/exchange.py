"""An HTTP request on a connection of its own, with every byte of its response."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from django.utils.translation import gettext_noop as _

from realtime_demo.http_trace import HttpTrace
from transports.client import batch_of
from transports.events import Batch, Event


class Unexpected(Exception):
    """A response that does not meet a case's requirement.

    `received` has the bytes of the response. `text` is a message id; if it is empty, the case's
    own text is shown. `values` fill the placeholders of either.
    """

    def __init__(
        self, received: bytes | bytearray = b"", text: str = "", /, **values: object
    ) -> None:
        super().__init__(values)
        self.received = bytes(received)
        self.text = text
        self.values = values


class Exchange(HttpTrace):
    """A response as it arrives, for which a case waits for `patience` seconds."""

    patience: float

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        port: int,
        target: str,
        headers: Mapping[str, str] | None = None,
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
        reader, writer = await asyncio.open_connection(sock=connection)
        fields = {"Host": f"127.0.0.1:{port}", **(headers or {})}
        if body is not None:
            fields["Content-Type"] = "application/json"
        async with cls.of(reader, writer, target, fields, body) as exchange:
            exchange.patience = patience
            yield exchange

    async def head(self, status: int = 200) -> None:
        """Wait for the response's head. Raises `Unexpected`."""
        await self.arrive(lambda: self.status)
        if self.status != status:
            text = _("Expected status {expected}; got {got}.")
            raise Unexpected(self.received, text, expected=status, got=self.status)

    async def arrive(self, condition: Callable[[], object]) -> None:
        """Wait until `condition()` is true. Raises `Unexpected`."""
        if not await self.until(condition):
            text = _("The response is not complete after {seconds:g} s.")
            raise Unexpected(self.received, text, seconds=self.patience)

    async def until(self, condition: Callable[[], object], seconds: float | None = None) -> bool:
        """Read until `condition()` is true; return False at the response's end or after `seconds`.

        `seconds` defaults to `patience`. Raises the error that ended the response, if any.
        """
        holds = await self.read(self.patience if seconds is None else seconds, condition)
        if self.error and not holds:
            raise self.error
        return holds

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    async def batch(self) -> Batch:
        """Return the batch in the whole body. Raises `InvalidEvent` and `Unexpected`."""
        await self.head()
        await self.arrive(lambda: self.ended)
        return batch_of(json.loads(self.body))

    @property
    def events(self) -> list[Event]:
        """The events in the complete lines of the body. Raises `InvalidEvent`."""
        lines = bytes(self.body).split(b"\n")[:-1]
        return [Event.decode(line) for line in lines if line.strip()]

    def expect(self, condition: bool, **values: object) -> None:
        """Raise `Unexpected` with `values` if `condition` is false."""
        if not condition:
            raise Unexpected(self.received, **values)

    def expect_events(self, expected: Sequence[Event], actual: Sequence[Event]) -> None:
        """Raise `Unexpected` if the `actual` events are not the `expected` ones."""
        self.expect([*actual] == [*expected], got=texts(actual), expected=texts(expected))

    async def expect_batch(self, *expected: str) -> None:
        """Raise `Unexpected` if the body is not a batch with events of the `expected` texts."""
        events = (await self.batch()).events
        self.expect([event.text for event in events] == [*expected], got=texts(events))


def texts(events: Sequence[Event]) -> str:
    """Return the texts of `events`, for a message."""
    return ", ".join(event.text for event in events) or "-"
