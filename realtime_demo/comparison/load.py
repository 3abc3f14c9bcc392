"""The load: a publisher, and the clients of one technique behind a tap, each in a process.

The publisher is an open loop with its own connections. Each event has a fixed intended time. If
the server or the publisher is late, the event is sent late and its delay still counts from the
intended time, so that waiting events are not omitted from the sample ("coordinated omission").

A process of clients measures its own share of a core and the lateness of its event loop: the
delays of a busy process would be its own, not the technique's.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from gettext import gettext as _
from typing import Any, cast
from urllib.parse import urlsplit

from realtime_demo.tap.proxy import Connection, Counts, Direction, Tap
from transports.client import HttpClient, query
from transports.events import InvalidEvent
from transports.registry import BY_NAME, TECHNIQUES

from .adapters import follow, target
from .http_client import HTTP_CLIENTS, MeasuredClient, open_connection
from .plan import Adapter, Settings, index_of, text
from .results import Idle, Sample

TIMER_ERROR = 0.003  # seconds by which the event loop's timers may be late
LAG_INTERVAL = 0.02  # seconds between measurements of the event loop's lateness
EMPTY = b'"events":[]'
SCANNED = 4_096  # bytes of a response that are searched for an empty batch
PROBES = 9  # requests of each probing client
POLLED = next(technique for technique in TECHNIQUES if technique.response_ends == "at once")
RECENT = 200  # latest deliveries, whose median is on the screen during a run


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


# --- The clients -------------------------------------------------------------------------


@dataclass(frozen=True)
class ClientsConfig:
    """The configuration of a process of clients of one technique.

    There is one client for each of `phases`, the seconds until its first request. Clients are
    numbered from `first`.
    """

    adapter: Adapter
    settings: Settings
    url: str
    tapped: bool
    room: str
    phases: tuple[float, ...] = (0.0,)
    first: int = 0


@dataclass(frozen=True)
class SubscriberCounts:
    """Counts of a process so far. The counts of one technique's processes can be added up."""

    wire: Counts = field(default_factory=Counts)
    open: int = 0  # connections
    empty: int = 0  # responses
    received: int = 0  # deliveries
    counted: int = 0  # deliveries of the measured window, whose numbers are not negative
    resets: int = 0
    errors: tuple[str, ...] = ()

    def __add__(self, other: SubscriberCounts) -> SubscriberCounts:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return SubscriberCounts(*(a + b for a, b in pairs))


@dataclass(frozen=True)
class Mark:
    """One process's counts so far, for the adapter called `name`.

    `cpu` is the CPU seconds of the process, `lags` the event loop's lateness in seconds, sorted.
    """

    name: str
    time: float
    cpu: float
    lags: tuple[float, ...] = ()
    counts: SubscriberCounts = field(default_factory=SubscriberCounts)
    median: float | None = None  # seconds, by two wall clocks: for the screen only


@dataclass(frozen=True)
class RequestProbe:
    """The cost of one empty request: seconds under load, bytes up and down.

    `cursor` is the length of its cursor, `alone` the seconds of a request without load.
    """

    seconds: float
    up: float = 0.0
    down: float = 0.0
    cursor: int = 0
    alone: float = 0.0


class Subscribers:
    """The clients of one technique in this process, and the tap between them and the server."""

    def __init__(self, config: ClientsConfig) -> None:
        self.config = config
        self._http = HTTP_CLIENTS[config.settings.http_client]
        url = urlsplit(config.url)
        self.tap = Tap(
            url.hostname or "127.0.0.1",
            url.port or 80,
            network=config.settings.network,
            label=config.adapter.name,
            observe=self.observe,
        )
        self.samples: list[Sample] = []
        self.request_times: list[list[float]] = [[] for _ in config.phases]
        self.resets = self.counted = self.empty = 0
        self.errors: list[str] = []
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._responses: dict[int, bytearray] = {}
        self._heartbeats: list[tuple[float, Counts]] = []  # the first and the last
        self._lags: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _url(self, tap: Tap) -> str:
        return tap.url if self.config.tapped else self.config.url

    async def open(self) -> None:
        await self.tap.__aenter__()
        self._tasks = [asyncio.create_task(self._follow(n)) for n in range(len(self.request_times))]
        self._tasks.append(asyncio.create_task(self._watch_the_loop()))

    async def close(self) -> tuple[list[Sample], list[list[float]]]:
        """Stop; return all deliveries, and the request times of each polling client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tap.__aexit__()
        return self.samples, self.request_times

    async def _follow(self, number: int) -> None:
        config, settings = self.config, self.config.settings
        await asyncio.sleep(config.phases[number])
        try:
            events = follow(
                config.adapter,
                self._url(self.tap),
                config.room,
                interval=settings.interval,
                hold=settings.hold,
                http=partial(self._http, request_times=self.request_times[number]),
            )
            async with aclosing(cast(Any, events)):
                async for event in events:
                    received, wall = time.monotonic(), time.time()
                    if event.type == "reset":
                        self.resets += 1
                    elif (index := index_of(event.text)) is not None:
                        self.samples.append(Sample(config.first + number, index, received))
                        self.counted += index >= 0
                        self._recent.append(wall - event.published_at)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def observe(self, connection: Connection, direction: Direction, data: bytes) -> None:
        """Count the responses without events, from the bytes as they cross the tap."""
        if direction == "down":
            self._heartbeats[1:] = [(time.monotonic(), self.tap.total)]
            if self.config.adapter.is_polled:
                response = self._responses.setdefault(connection.number, bytearray())
                before = EMPTY in response
                response += data[: max(0, SCANNED - len(response))]
                self.empty += EMPTY in response and not before
        else:
            self._responses.pop(connection.number, None)

    async def _watch_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            self._lags.append(loop.time() - due)

    async def mark(self) -> Mark:
        lags = tuple(sorted(self._lags))
        counts = SubscriberCounts(
            wire=self.tap.total,
            open=len(self.tap.connections),
            empty=self.empty,
            received=len(self.samples),
            counted=self.counted,
            resets=self.resets,
            errors=tuple(self.errors),
        )
        median = statistics.median(self._recent) if self._recent else None
        now, cpu = time.monotonic(), time.process_time()
        return Mark(self.config.adapter.name, now, cpu, lags, counts, median)

    async def ready(self) -> int:
        """Return how many clients have received anything."""
        return len({sample.client for sample in self.samples})

    async def settle(self) -> None:
        """Discard the heartbeats and the event loop's lateness up to now."""
        self._lags.clear()
        self._heartbeats.clear()

    async def idle(self) -> Idle:
        """Return the bytes an hour between the first and the last heartbeat since `settle`."""
        if len(self._heartbeats) < 2:
            return Idle()
        (began, before), (ended, after) = self._heartbeats
        if (seconds := ended - began) < 1:
            return Idle()
        traffic = after - before
        return Idle(traffic.up / seconds * 3600, traffic.down / seconds * 3600, seconds)

    async def probe(self) -> RequestProbe | None:
        """Measure one empty request.

        As many clients request at once as under load: all clients of long polling, one client
        of other techniques. For open connections, a poll of this project's server shows how long
        client and server work; None for other projects' endpoints.
        """
        if not self._can_be_probed:
            return None
        is_long_poll = self.config.adapter.response_ends == "with events"
        # A separate tap, so that the clients' traffic is not counted with it.
        async with Tap(*self.tap.target, network=self.tap.network) as tap:
            times = await self._time(self._url(tap), len(self.config.phases) if is_long_poll else 1)
            probe = RequestProbe(statistics.median(times))
            if self.config.tapped:  # measure the bytes of one further request
                async with self._http(tap.url) as http:
                    path, cursor = await self._first(http)
                    before = tap.total
                    await http.get(path)
                traffic = tap.total - before
                # "wait=0" has one digit; the clients' `wait` may have more.
                extra = len(f"{self.config.settings.hold:g}") - 1 if is_long_poll else 0
                up, down = traffic.up + extra, traffic.down
                probe = RequestProbe(probe.seconds, up, down, len(cursor))
        return probe

    async def probe_alone(self) -> float | None:
        """Return the seconds of one empty request without load and without the simulated network.

        That is the work of client and server on one request.
        """
        if not self._can_be_probed:
            return None
        async with Tap(*self.tap.target) as tap:
            return statistics.median(await self._time(self._url(tap), 1))

    @property
    def _can_be_probed(self) -> bool:
        return self.config.adapter.is_polled or self.config.adapter.path is None

    async def _first(self, http: HttpClient) -> tuple[str, str]:
        """Request the room's events; return the target of the next, empty request and its cursor.

        With "wait=0" the server responds to a long poll at once.
        """
        is_long_poll = self.config.adapter.response_ends == "with events"
        technique = BY_NAME[self.config.adapter.technique]
        path = self.config.adapter.path or (technique if technique.is_polled else POLLED).path
        path = path.format(room=self.config.room.replace("compare-", "probing-"))
        parameters = {"wait": "0"} if is_long_poll else {}
        batch = json.loads((await http.get(target(path, parameters))).body)
        cursor = batch.get("cursor") if isinstance(batch, dict) else None
        return target(path, query(cursor, **parameters)), cursor or ""

    async def _time(self, base_url: str, together: int) -> list[float]:
        """Return the seconds of `PROBES` empty requests from each of `together` clients at once."""
        times: list[float] = []
        barrier = asyncio.Barrier(together)

        async def ask() -> None:
            async with self._http(base_url) as http:
                path, _cursor = await self._first(http)
                for _number in range(PROBES):
                    await barrier.wait()
                    began = time.monotonic()
                    json.loads((await http.get(path)).body)
                    times.append(time.monotonic() - began)

        await asyncio.gather(*[ask() for _ in range(together)])
        return times
