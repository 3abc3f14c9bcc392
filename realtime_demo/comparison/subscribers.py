"""The subscribers: N clients of each technique behind a tap, in a process of their own.

The process watches itself: the share of a core it uses, and how late its event loop is. A
client that is late because its own process is busy measures nothing but that.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from realtime_demo.tap import counters
from realtime_demo.tap.proxy import Connection, Direction, Tap
from transports.client import query
from transports.registry import BY_NAME

from .adapters import follow, target
from .http_client import HttpConnection
from .plan import Adapter, Settings, index_of
from .results import Idle, Sample

BEAT = 0.02  # seconds between looks at how late the event loop is
EMPTY = b'"events":[]'
SCANNED = 4_096  # bytes of a response in which an empty batch would show
PROBES = 9
RECENT = 200  # deliveries whose median is on the screen while it runs


@dataclass(frozen=True)
class Orders:
    """What the clients of one technique in one process do: one of them for each of `phases`,
    the seconds after which it first asks. They are numbered from `first`."""

    adapter: Adapter
    settings: Settings
    url: str
    tapped: bool
    room: str
    phases: tuple[float, ...] = (0.0,)
    first: int = 0


@dataclass(frozen=True)
class Counts:
    """Everything counted so far; the counts of one technique's processes can be added up."""

    wire: counters.Counts = field(default_factory=counters.Counts)
    open: int = 0  # connections
    empty: int = 0  # answers
    received: int = 0  # deliveries
    counted: int = 0  # deliveries of the measured window, whose numbers are not negative
    resets: int = 0
    errors: tuple[str, ...] = ()
    median: float | None = None  # of two wall clocks' difference: for the screen, not a figure

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.wire + other.wire,
            self.open + other.open,
            self.empty + other.empty,
            self.received + other.received,
            self.counted + other.counted,
            self.resets + other.resets,
            self.errors + other.errors,
            other.median if self.median is None else self.median,
        )


@dataclass(frozen=True)
class Mark:
    """What one process has counted so far for the adapter called `name`, and how it fares: its
    CPU seconds, and by how much its event loop was late, sorted."""

    name: str
    time: float
    cpu: float
    lags: tuple[float, ...] = ()
    counts: Counts = field(default_factory=Counts)


@dataclass(frozen=True)
class RequestProbe:
    """What one empty request costs: seconds under load, bytes up and down, and the length of the
    cursor in it. `alone` is the seconds of a request by itself."""

    seconds: float
    up: float = 0.0
    down: float = 0.0
    cursor: int = 0
    alone: float = 0.0


@dataclass(frozen=True)
class Received:
    """All deliveries of a group, and when each of its polling clients asked."""

    samples: list[Sample]
    asked: list[list[float]]


class Subscribers:
    """The clients of one technique in this process, and the tap before them."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        url = urlsplit(orders.url)
        self.tap = Tap(
            url.hostname or "127.0.0.1",
            url.port or 80,
            network=orders.settings.network,
            label=orders.adapter.name,
            observe=self.observe,
        )
        self.samples: list[Sample] = []
        self.asked: list[list[float]] = [[] for _ in orders.phases]
        self.resets = self.counted = self.empty = 0
        self.errors: list[str] = []
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._responses: dict[int, bytearray] = {}
        self._signs: list[tuple[float, counters.Counts]] = []  # of life: the first and the last
        self._lags: list[float] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _url(self, tap: Tap) -> str:
        return tap.url if self.orders.tapped else self.orders.url

    async def open(self) -> None:
        await self.tap.__aenter__()
        self._tasks = [asyncio.create_task(self._follow(n)) for n in range(len(self.asked))]
        self._tasks.append(asyncio.create_task(self._watch_the_loop()))

    async def close(self) -> Received:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.tap.__aexit__()
        return Received(self.samples, self.asked)

    async def _follow(self, number: int) -> None:
        orders, settings = self.orders, self.orders.settings
        await asyncio.sleep(orders.phases[number])
        try:
            events = follow(
                orders.adapter,
                self._url(self.tap),
                orders.room,
                interval=settings.interval,
                hold=settings.hold,
                http=partial(HttpConnection, asked=self.asked[number]),
            )
            async with aclosing(cast(Any, events)):
                async for event in events:
                    received, wall = time.monotonic(), time.time()
                    if event.type == "reset":
                        self.resets += 1
                    elif (index := index_of(event.text)) is not None:
                        self.samples.append(Sample(orders.first + number, index, received))
                        self.counted += index >= 0
                        self._recent.append(wall - event.published_at)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def observe(self, connection: Connection, direction: Direction, data: bytes) -> None:
        """Find the responses that brought nothing, by the bytes that crossed, as they come."""
        if direction == "down":
            self._signs[1:] = [(time.monotonic(), self.tap.total)]
            if self.orders.adapter.asks:
                response = self._responses.setdefault(connection.number, bytearray())
                before = EMPTY in response
                response += data[: max(0, SCANNED - len(response))]
                self.empty += EMPTY in response and not before
        else:
            self._responses.pop(connection.number, None)

    async def _watch_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT
            await asyncio.sleep(BEAT)
            self._lags.append(loop.time() - due)

    async def mark(self) -> Mark:
        lags = tuple(sorted(self._lags))
        counts = self._count()
        return Mark(self.orders.adapter.name, time.monotonic(), time.process_time(), lags, counts)

    async def ready(self) -> int:
        """How many clients have received anything."""
        return len({sample.client for sample in self.samples})

    def _count(self) -> Counts:
        return Counts(
            wire=self.tap.total,
            open=len(self.tap.connections),
            empty=self.empty,
            received=len(self.samples),
            counted=self.counted,
            resets=self.resets,
            errors=tuple(self.errors),
            median=statistics.median(self._recent) if self._recent else None,
        )

    async def settle(self) -> None:
        """Forget the signs of life until now, and how the process fared."""
        self._lags.clear()
        self._signs.clear()

    async def idle(self) -> Idle | None:
        """Bytes a second between the first and the last sign of life since `settle`."""
        if len(self._signs) < 2:
            return None
        (began, before), (ended, after) = self._signs
        if (seconds := ended - began) < 1:
            return None
        crossed = after - before
        return Idle(crossed.up / seconds, crossed.down / seconds, seconds)

    async def probe(self) -> RequestProbe | None:
        """What one empty request costs here.

        As many ask at once as do so under load: all the clients of a long poll, one of any
        other. Open connections do not ask; there a poll of this project's shows how long
        client and server work, and None is the answer for someone else's.
        """
        if not self._can_be_probed:
            return None
        held = self.orders.adapter.ends == "at the first batch"
        # A tap of its own, so that the clients' traffic is not counted with it.
        async with Tap(*self.tap.target, network=self.tap.network) as tap:
            times = await self._time(self._url(tap), len(self.orders.phases) if held else 1)
            probe = RequestProbe(statistics.median(times))
            if self.orders.tapped:  # the sizes of one more, by itself
                async with HttpConnection(tap.url) as http:
                    again, cursor = await self._first(http)
                    before = tap.total
                    await http.get(again)
                spent = tap.total - before
                # The probe's hold has one digit.
                extra = len(f"{self.orders.settings.hold:g}") - 1 if held else 0
                probe = RequestProbe(probe.seconds, spent.up + extra, spent.down, len(cursor))
        return probe

    async def probe_alone(self) -> float | None:
        """Seconds that one empty request takes by itself, without the network that is put in: what
        client and server work on it, whoever else would ask under load."""
        if not self._can_be_probed:
            return None
        async with Tap(*self.tap.target) as tap:
            return statistics.median(await self._time(self._url(tap), 1))

    @property
    def _can_be_probed(self) -> bool:
        return self.orders.adapter.asks or self.orders.adapter.path is None

    async def _first(self, http: HttpConnection) -> tuple[str, str]:
        """Ask for what there is; the target of an empty request after it, and its cursor.

        "wait=0" answers a long poll at once.
        """
        held = self.orders.adapter.ends == "at the first batch"
        path = self.orders.adapter.path or BY_NAME["longpoll" if held else "polling"].path
        path = path.format(room=self.orders.room.replace("compare-", "probing-"))
        asking = {"wait": "0"} if held else {}
        batch = json.loads((await http.get(target(path, asking))).body)
        cursor = batch.get("cursor") if isinstance(batch, dict) else None
        return target(path, query(cursor, **asking)), cursor or ""

    async def _time(self, base_url: str, together: int) -> list[float]:
        """The seconds that `PROBES` empty requests take, of so many clients at once each."""
        times: list[float] = []
        barrier = asyncio.Barrier(together)

        async def ask() -> None:
            async with HttpConnection(base_url) as http:
                again, _ = await self._first(http)
                for _ in range(PROBES):
                    await barrier.wait()
                    began = time.monotonic()
                    json.loads((await http.get(again)).body)
                    times.append(time.monotonic() - began)

        await asyncio.gather(*[ask() for _ in range(together)])
        return times
