"""Between the server and the socket: writing at once, and waiting for a client to read."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# Before anything of Twisted: this installs the reactor on an asyncio event loop.
import daphne.server  # noqa: F401
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class WriteAtOnce(FileDescriptor):
    """A transport whose `write` tries the socket first, if nothing is waiting before it.

    Twisted otherwise keeps the data until the event loop says that the socket can be written
    to, which costs a turn of the loop and two changes to its selector for each message.
    `writeSequence` is left alone: so a response's headers wait for its body, and leave with it
    in one packet.
    """

    def write(self, data: bytes) -> None:
        if self.connected and not self._tempDataBuffer and not self.dataBuffer and data:
            sent = self.writeSomeData(data)
            if sent == len(data):
                return
            # An exception means a broken connection. Twisted meets it again when it writes
            # what was not sent, and ends the connection in a turn of the loop of its own.
            if isinstance(sent, int):
                data = data[sent:]
        super().write(data)


def write_at_once(port: Any) -> Any:
    """Let the connections accepted by `port`, of TCP or UNIX, be of `WriteAtOnce`."""
    kind = port.transport
    port.transport = type(f"AtOnce{kind.__name__}", (WriteAtOnce, kind), {})
    return port


def unread(transport: Any) -> int:
    """How many bytes written to `transport` (TCP, UNIX or TLS) its client has yet to take.

    Those in the kernel count, where it tells: it asks for more only when a third of its buffer,
    of megabytes, is free.
    """
    while not isinstance(transport, FileDescriptor):
        transport = transport.transport  # of TLS
    buffer: Any = transport
    waiting: int = len(buffer.dataBuffer) - buffer.offset + buffer._tempDataLen
    with suppress(OSError):
        answer = fcntl.ioctl(buffer.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        waiting += struct.unpack("i", answer)[0]
    return waiting


@implementer(IPushProducer)
class Gate:
    """Closed while a client leaves more than 64 KiB unread (Twisted's `bufferSize`).

    To Twisted it is the producer of what is written to a transport: paused when the buffer is
    full, resumed when it is empty, stopped when the connection is lost.
    """

    __slots__ = ("_turn", "closed", "postponed")

    def __init__(self) -> None:
        self.closed: asyncio.Event | None = None
        # What is to be written as soon as it opens, by a protocol that cannot wait.
        self.postponed: Callable[[], None] | None = None
        self._turn: asyncio.Lock | None = None

    def pauseProducing(self) -> None:
        if self.closed is None:
            self.closed = asyncio.Event()

    def resumeProducing(self) -> None:
        if self.closed is not None:
            self.closed.set()
            self.closed = None
        if self.postponed is not None:
            write, self.postponed = self.postponed, None
            write()

    def stopProducing(self) -> None:
        self.postponed = None
        self.resumeProducing()

    async def wait(self) -> None:
        """Return once the client has read on, or is gone.

        Those who wait pass one by one, first come, first served: what the first one writes may
        close the gate again before the next.
        """
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            while self.closed is not None:
                await self.closed.wait()


class Deadline:
    """A moment at which `missed` is called, unless it is moved or lifted before.

    Either costs next to nothing: the event loop's timer stays where it is, and when it rings
    is set again if it was too early. A connection's deadline moves with every request.
    """

    __slots__ = ("_due", "_missed", "_timer")

    def __init__(self, missed: Callable[[], None]) -> None:
        self._missed = missed
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def move(self, seconds: float | None) -> None:
        """To so many seconds from now; None lifts it."""
        if seconds is None:
            self._due = None
            return
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self._set_timer(loop, self._due)

    def forget(self) -> None:
        """For good: neither holds on to the other any more."""
        self._due = None
        self._missed = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(when, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        rang, self._timer = self._timer, None
        if self._due is None or rang is None:
            return
        if self._due > rang.when():
            self._set_timer(loop, self._due)
        else:
            self._due = None
            self._missed()


def _nothing() -> None:
    """What a deadline that is forgotten does."""


class Inbox(asyncio.Queue[dict[str, Any]]):
    """Messages from a client to its application.

    With `unread` of them waiting, the transport is not read until half are taken: a client
    cannot send faster than its application receives.
    """

    def __init__(self, transport: Any, unread: int = 16) -> None:
        super().__init__()
        self._transport = transport
        self._unread = unread
        self._paused = False

    def _put(self, item: dict[str, Any]) -> None:
        super()._put(item)
        if self.qsize() == self._unread:
            self._paused = True
            self._transport.pauseProducing()

    def _get(self) -> dict[str, Any]:
        item: dict[str, Any] = super()._get()
        if self._paused and self.qsize() <= self._unread // 2:
            self._paused = False
            self._transport.resumeProducing()
        return item
