"""The publisher: an open loop in its own process, with its own connections.

Each event has a fixed intended time. If the server or the publisher is late, the event is sent
late and its delay still counts from the intended time, so that waiting events are not omitted
from the sample ("coordinated omission").
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from gettext import gettext as _

from transports.events import InvalidEvent

from .http_client import HTTP_CLIENTS, MeasuredClient, open_connection
from .plan import text

TIMER_ERROR = 0.003  # seconds by which the event loop's timers may be late


class PublishFailed(Exception):
    """The server did not accept an event."""


@dataclass(frozen=True)
class Accepted:
    """An event that the server has accepted. Times are seconds of the monotonic clock."""

    id: str
    sent: float
    acknowledged: float
    published_at: float | None  # on the server's clock; None: not reported
    size: int  # bytes of the event's JSON
    index: int = 0
    intended: float = 0.0
    cpu: float = 0.0  # CPU seconds of this process from `sent` to `acknowledged`


@dataclass
class Published:
    """The outcome of a schedule.

    `rejected` has the numbers of the events that failed, `late` the sorted lateness of the
    publisher's event loop in seconds, `busy` its share of a core.
    """

    events: list[Accepted] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    busy: float = 0.0


class Publisher:
    """A client that posts events over persistent connections."""

    def __init__(self) -> None:
        self._path = ""
        self._connections: list[MeasuredClient] = []
        self._stack = AsyncExitStack()

    async def open(
        self, base_url: str, path: str, connections: int = 1, http_client: str = "httpx"
    ) -> None:
        """Set the server; `path` holds `{room}`, `http_client` is a key of `HTTP_CLIENTS`.

        Raises `OSError` if the server cannot be reached.
        """
        await self.close()
        _reader, writer = await open_connection(base_url)
        writer.close()
        self._path = path
        for _number in range(connections):
            connection = HTTP_CLIENTS[http_client](base_url)
            self._connections.append(await self._stack.enter_async_context(connection))

    async def close(self) -> None:
        self._connections.clear()
        await self._stack.aclose()

    async def warm_up(self, room: str, size: int) -> None:
        """Publish one event over each connection, which opens it. Raises `PublishFailed`."""
        connections = range(len(self._connections))
        await asyncio.gather(*(self.publish(room, -1, size, number) for number in connections))

    async def publish(self, room: str, index: int, size: int, connection: int = 0) -> Accepted:
        """Publish event `index` now. Raises `PublishFailed`."""
        http = self._connections[connection]
        document = json.dumps({"sender": "compare", "text": text(index, size)}).encode()
        sent, cpu = time.monotonic(), time.process_time()
        try:
            response = await http.post(self._path.format(room=room), document)
            acknowledged, cpu = time.monotonic(), time.process_time() - cpu
            if response.status not in (200, 201):
                detail = response.body[:300].decode("utf-8", "replace")
                message = _("Expected 200 or 201; got {status}: {detail}")
                raise PublishFailed(message.format(status=response.status, detail=detail))
            event = json.loads(response.body)
        except (OSError, InvalidEvent, ValueError) as error:
            message = _("No response to a publish: {error}")
            raise PublishFailed(message.format(error=error)) from error
        published_at, received = event.get("published_at"), len(response.body)
        event_id = str(event.get("id"))
        return Accepted(event_id, sent, acknowledged, published_at, received, index, sent, cpu)

    async def run(
        self, room: str, start: float, times: Sequence[float], first: int, size: int
    ) -> Published:
        """Publish at `start` + each of `times` (monotonic clock), numbered from `first`."""
        due: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
        published = Published()
        busy = time.process_time()

        async def send(connection: int) -> None:
            while True:
                index, intended = await due.get()
                try:
                    event = await self.publish(room, index, size, connection)
                    published.events.append(replace(event, intended=intended))
                except PublishFailed as error:
                    published.failures.append(str(error) or repr(error))
                    published.rejected.append(index)
                due.task_done()

        senders = [asyncio.create_task(send(number)) for number in range(len(self._connections))]
        began = time.monotonic()
        for index, offset in enumerate(times, first):
            intended = start + offset
            await _until(intended)
            published.late.append(time.monotonic() - intended)
            due.put_nowait((index, intended))
            await asyncio.sleep(0)  # let a sender write the event at once
        await due.join()
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)
        published.late.sort()
        elapsed = time.monotonic() - began
        published.busy = (time.process_time() - busy) / max(elapsed, 1e-9)
        return published


async def _until(intended: float) -> None:
    while (remaining := intended - time.monotonic()) > 0:
        if remaining > TIMER_ERROR:
            await asyncio.sleep(remaining - TIMER_ERROR)
        else:
            # Block the loop rather than be late: only responses to earlier events are pending,
            # and no figure depends on the time of their acknowledgement.
            time.sleep(remaining)  # noqa: ASYNC251
