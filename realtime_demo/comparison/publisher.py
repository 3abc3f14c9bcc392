"""The load: an open-loop publisher, in a process of its own, over connections of its own.

Each event has an intended time that nothing can postpone. Where the server or the publisher
is late, the event is sent late and its delay still counts from the intended time: what
waited is not left out of the sample ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from transports.client import CONNECT_TIMEOUT

from . import workers as child
from .schedule import text

FINE = 0.003  # seconds before an intended time from which the event loop's timers are too coarse


class PublishFailed(Exception):
    """The server did not take an event."""


class Publisher:
    """POSTs events over one kept-alive HTTP/1.1 connection (RFC 9112 §9.3)."""

    def __init__(self, base_url: str, path: str) -> None:
        self.url = urlsplit(base_url)
        self.path = path
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self) -> None:
        """Raises `OSError`."""
        secure = self.url.scheme == "https"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                self._reader, self._writer = await asyncio.open_connection(
                    self.url.hostname,
                    self.url.port or (443 if secure else 80),
                    ssl=ssl.create_default_context() if secure else None,
                )
        except TimeoutError as error:  # which has no words
            raise TimeoutError(f"no connection in {CONNECT_TIMEOUT:g} s") from error

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def publish(self, room: str, message: str) -> dict[str, Any]:
        """The server's event, with `sent` and `acknowledged` on the monotonic clock and `size`,
        the bytes of its JSON. Raises `PublishFailed`, `OSError`."""
        if self._writer is None:
            await self.connect()
        assert self._reader is not None and self._writer is not None
        body = json.dumps({"sender": "compare", "text": message}).encode()
        head = (
            f"POST {self.path.format(room=room)} HTTP/1.1\r\n"
            f"Host: {self.url.netloc}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        sent = time.monotonic()
        try:
            self._writer.write(head.encode() + body)
            answer = await self._reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(None, 2)[1])
            fields = dict(
                line.lower().split(b":", 1) for line in answer.split(b"\r\n")[1:] if b":" in line
            )
            content = await self._reader.readexactly(int(fields[b"content-length"]))
        except (asyncio.IncompleteReadError, KeyError, IndexError, ValueError) as error:
            self.close()
            raise PublishFailed(f"The server's answer to a publish is no HTTP: {error}") from error
        acknowledged = time.monotonic()
        if fields.get(b"connection", b"").strip() == b"close":
            self.close()
        if status not in (200, 201):
            raise PublishFailed(f"{status}: {content[:300].decode('utf-8', 'replace')}")
        return {
            **json.loads(content),
            "sent": sent,
            "acknowledged": acknowledged,
            "size": len(content),
        }


class Load:
    """The child's commands."""

    def __init__(self) -> None:
        self._publishers: list[Publisher] = []

    async def open(self, base_url: str, path: str, connections: int) -> None:
        for publisher in self._publishers:
            publisher.close()
        self._publishers = [Publisher(base_url, path) for _ in range(connections)]
        for publisher in self._publishers:
            await publisher.connect()

    async def probe(self, room: str, index: int, size: int) -> dict[str, Any]:
        """Publish one event now; its times, and the wall clock at its middle."""
        before = time.time()
        event = await self._publishers[0].publish(room, text(index, size))
        return {**event, "wall": (before + time.time()) / 2}

    async def run(
        self, room: str, start: float, times: Sequence[float], first: int, size: int
    ) -> dict[str, Any]:
        """Publish at `start` + each of `times` (monotonic clock), numbered from `first`."""
        due: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
        events: list[dict[str, Any]] = []
        failures: list[str] = []
        refused: list[int] = []
        late: list[float] = []
        busy = time.process_time()

        async def send(publisher: Publisher) -> None:
            while True:
                index, intended = await due.get()
                try:
                    event = await publisher.publish(room, text(index, size))
                    events.append({**event, "index": index, "intended": intended})
                except (PublishFailed, OSError) as error:
                    failures.append(str(error) or repr(error))
                    refused.append(index)
                    publisher.close()
                due.task_done()

        senders = [asyncio.create_task(send(publisher)) for publisher in self._publishers]
        began = time.monotonic()
        for index, offset in enumerate(times, first):
            intended = start + offset
            await self._until(intended)
            late.append(time.monotonic() - intended)
            due.put_nowait((index, intended))
            await asyncio.sleep(0)  # let a sender write it at once
        await due.join()
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        elapsed = time.monotonic() - began
        return {
            "events": [{name: event.get(name) for name in KEPT} for event in events],
            "failures": failures,
            "refused": refused,  # the numbers of the events that failed
            "late": sorted(late),
            "busy": (time.process_time() - busy) / max(elapsed, 1e-9),
        }

    async def _until(self, intended: float) -> None:
        while (left := intended - time.monotonic()) > 0:
            if left > FINE:
                await asyncio.sleep(left - FINE)
            else:
                # Nothing else runs here but answers to earlier events, whose time of
                # acknowledgement is no figure: hold the loop rather than be late.
                time.sleep(left)  # noqa: ASYNC251


KEPT = ("id", "index", "intended", "sent", "acknowledged", "published_at", "size")


def commands() -> dict[str, child.Command]:
    """What a worker process with this module can be asked."""
    load = Load()
    return {
        "open": load.open,
        "probe": load.probe,
        "run": load.run,
    }
