"""What the comparison itself adds to a delay: its clients beside bare ones, event by event.

A bare client is a library, a loop and a clock, with no tap. One of them and one of the
comparison's, tap and all, follow the same room of the same server at the same time. Each event
gives one difference, in which the server's and the machine's mood cancel out. The server writes to
one after the other, so the two take turns at being first.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from websockets.asyncio.client import connect

from transports.registry import BY_NAME

from .local_server import APPLICATION, local_server
from .phase import Clock, MeasurementFailed, Target
from .plan import COMPARED, Adapter, Settings, arrival_times
from .publisher import Publisher
from .statistics import Spread
from .subscribers import Orders, Subscribers
from .traits import framing, response_ends
from .workers import ForkServer, Worker

RATE = 20.0  # events a second
PATIENCE = 10.0  # seconds in which both have to be connected
LEAD = 0.25
ALLOWED = 0.0005  # seconds that the comparison may add to a median
_INDEX = re.compile(rb'"text": ?"(-?\d+)[ "]')

Stamped = list[tuple[float, bytes]]


async def _stream(url: str, seen: Stamped) -> None:
    async with (
        httpx.AsyncClient(timeout=None, verify=False) as http,
        http.stream("GET", url) as response,
    ):
        async for data in response.aiter_raw():
            seen.append((time.monotonic(), data))


async def _socket(url: str, seen: Stamped) -> None:
    async with connect("ws" + url.removeprefix("http"), compression=None) as socket:
        async for message in socket:
            seen.append((time.monotonic(), str(message).encode()))


async def _held(url: str, seen: Stamped) -> None:
    async with httpx.AsyncClient(timeout=None, verify=False) as http:
        parameters = {"wait": "0"}
        while True:
            response = await http.get(url, params=parameters)
            seen.append((time.monotonic(), response.content))
            parameters = {"since": response.json()["cursor"], "wait": "25"}


CLIENTS: dict[str, Callable[[str, Stamped], Awaitable[None]]] = {
    "batch": _held,
    "lines": _stream,
    "sse": _stream,
    "websocket": _socket,
}


class Bare:
    """A bare client, in a worker process."""

    def __init__(self) -> None:
        self._seen: Stamped = []
        self._client: asyncio.Future[None] | None = None

    async def open(self, technique: str, url: str) -> None:
        self._seen = []
        self._client = asyncio.ensure_future(CLIENTS[framing(technique)](url, self._seen))

    async def received(self) -> int:
        """How many times anything came. Raises what the client died of."""
        if self._client is not None and self._client.done():
            self._client.result()
        return len(self._seen)

    async def close(self) -> list[tuple[int, float]]:
        """The number of each event, and when it came (monotonic clock, seconds)."""
        if self._client is not None:
            self._client.cancel()
            await asyncio.gather(self._client, return_exceptions=True)
        return [(int(n), time) for time, data in self._seen for n in _INDEX.findall(data)]


@dataclass(frozen=True)
class Added:
    """Of one technique, in seconds: the medians from the publication, and what the tool's
    client was later by, event by event, with the 95 % interval on its median."""

    technique: str
    bare: float
    tool: float
    later: Spread

    @property
    def within(self) -> bool:
        """Whether the medians differ by less than what is allowed."""
        return self.tool - self.bare < ALLOWED


@dataclass(frozen=True)
class Trial:
    """How it is measured. `rtt` (seconds) is put before the comparison's client alone: what that
    adds has to be found."""

    techniques: tuple[str, ...] = tuple(n for n in COMPARED if response_ends(n) != "at once")
    rounds: int = 4  # the comparison's client connects first in every other one
    seconds: float = 4.0  # of events, in each round
    seed: int = 1
    rtt: float = 0.0


async def self_check(trial: Trial, application: str = APPLICATION) -> list[Added]:
    """Each technique but polling, whose delay is its phase; its way is long polling's.

    Raises `ServerFailed`, `WorkerFailed`, `MeasurementFailed`.
    """
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(ForkServer(Publisher, Subscribers, Bare))
        url, _ = await stack.enter_async_context(local_server(application))
        publisher = await stack.enter_async_context(workers.worker(Publisher))
        await Target(url).open(publisher)
        added: list[Added] = []
        for name in trial.techniques:
            delays: list[tuple[float, float]] = []
            for number in range(trial.rounds):
                delays += await _round(workers, name, url, publisher, trial, number)
            bare, tool = (statistics.median(column) for column in zip(*delays, strict=True))
            added.append(Added(name, bare, tool, Spread.of([b - a] for a, b in delays)))
    return added


async def _round(
    workers: ForkServer,
    name: str,
    url: str,
    publisher: Worker[Publisher],
    trial: Trial,
    number: int,
) -> Sequence[tuple[float, float]]:
    """The delays of each event to the bare client and to the tool's."""
    room, clock = f"check-{secrets.token_hex(4)}", Clock()
    path = BY_NAME[name].path.format(room=room)
    orders = Orders(Adapter.parse(name), Settings(rtt=trial.rtt), url, True, room)
    async with workers.worker(Bare) as bare, workers.worker(Subscribers, orders) as tool:

        async def open_bare() -> None:
            await bare.ask(Bare.open, name, url + path)
            await _until_received(publisher, room, lambda: bare.ask(Bare.received))

        async def open_tool() -> None:
            await tool.ask(Subscribers.open)
            await _until_received(publisher, room, lambda: tool.ask(Subscribers.ready))

        for open_client in (open_tool, open_bare) if number % 2 else (open_bare, open_tool):
            await open_client()
        times = arrival_times(RATE, trial.seconds, "poisson", trial.seed + number)
        start = time.monotonic() + LEAD
        published = await publisher.ask(Publisher.run, room, start, times, 0, 100)
        await asyncio.sleep(LEAD + 2 * trial.rtt)
        by_bare = dict(await bare.ask(Bare.close))
        samples = (await tool.ask(Subscribers.close)).samples
        by_tool = {sample.number: sample.received for sample in samples}
    return [
        (by_bare[event.index] - at, by_tool[event.index] - at)
        for event in published.events
        if event.index in by_bare and event.index in by_tool
        for at in (clock.published(event),)
    ]


async def _until_received(
    publisher: Worker[Publisher], room: str, received: Callable[[], Awaitable[int]]
) -> None:
    """Publish until a client has received something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        await publisher.ask(Publisher.publish, room, -1, 100)
        await asyncio.sleep(0.1)
        if await received():
            return
    raise MeasurementFailed(f"Nothing has arrived in {PATIENCE:g} s.")
