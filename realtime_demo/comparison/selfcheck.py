"""The comparison's own cost: the delay that its clients add, and the CPU of its HTTP clients.

A minimal client is a library, a loop and a clock, without a tap. A minimal client and one of the
comparison's, with its tap, follow the same room of the same server at the same time. Each event
gives one difference, in which the state of server and machine cancels out. The server writes to
one client after the other, so the order of connecting alternates.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
from django.utils.translation import gettext as _
from websockets.asyncio.client import connect

from realtime_demo.asgi_servers import APPLICATION
from transports.registry import BY_NAME

from .http_client import HTTP_CLIENTS
from .load import ClientsConfig, Publisher, Subscribers
from .measurement import MeasurementFailed
from .output.tables import Cell, Table, label
from .plan import COMPARED, Adapter, Settings, arrival_times
from .server import Clock, MeasuredServer, local_server
from .statistics import Spread
from .workers import Worker

CONNECT_TIMEOUT = 10.0  # seconds until both clients must be connected
LEAD = 0.25  # seconds before the first event, and after the last
ALLOWED = 0.0005  # seconds that the comparison may add to a median
_INDEX = re.compile(rb'"text": ?"(-?\d+)[ "]')

Stamped = list[tuple[float, bytes]]


async def _stream(url: str, received: Stamped) -> None:
    async with (
        httpx.AsyncClient(timeout=None, verify=False) as http,
        http.stream("GET", url) as response,
    ):
        async for data in response.aiter_raw():
            received.append((time.monotonic(), data))


async def _socket(url: str, received: Stamped) -> None:
    async with connect("ws" + url.removeprefix("http"), compression=None) as socket:
        async for message in socket:
            received.append((time.monotonic(), str(message).encode()))


async def _long_poll(url: str, received: Stamped) -> None:
    async with httpx.AsyncClient(timeout=None, verify=False) as http:
        parameters = {"wait": "0"}
        while True:
            response = await http.get(url, params=parameters)
            received.append((time.monotonic(), response.content))
            parameters = {"since": response.json()["cursor"], "wait": "25"}


class MinimalClient:
    """A minimal client, in a worker process."""

    def __init__(self) -> None:
        self._received: Stamped = []
        self._client: asyncio.Future[None] | None = None

    async def open(self, technique: str, url: str) -> None:
        follow = _long_poll if BY_NAME[technique].is_polled else _stream
        if BY_NAME[technique].scheme == "ws":
            follow = _socket
        self._client = asyncio.ensure_future(follow(url, self._received))

    async def received(self) -> int:
        """Return how many pieces have arrived. Raises the client's exception if it ended."""
        if self._client is not None and self._client.done():
            self._client.result()
        return len(self._received)

    async def close(self) -> list[tuple[int, float]]:
        """Stop; return each event's number and time of arrival (monotonic clock, seconds)."""
        if self._client is not None:
            self._client.cancel()
            await asyncio.gather(self._client, return_exceptions=True)
        return [(int(n), time) for time, data in self._received for n in _INDEX.findall(data)]


@dataclass(frozen=True)
class Added:
    """The delay that the tool adds to one technique, in seconds.

    `minimal` and `tool` are the medians from the publication with each client; `later` is how
    much later the tool's client received each event.
    """

    technique: str
    minimal: float
    tool: float
    later: Spread

    @property
    def within(self) -> bool:
        """Whether the medians differ by less than `ALLOWED`."""
        return self.tool - self.minimal < ALLOWED


# Polling is left out: its delay depends on its phase, and it uses the same client as long polling.
# The comparison's client connects first in every other round of `duration` seconds.
TRIAL = Settings(
    techniques=tuple(name for name in COMPARED if BY_NAME[name].response_ends != "at once"),
    rate=20.0,
    duration=4.0,
    rounds=4,
)


async def self_check(
    trial: Settings, application: str = APPLICATION
) -> tuple[list[Added], dict[str, float]]:
    """Return the delay added to each technique of `trial`, and the CPU of each HTTP client.

    The CPU is in seconds for one publish, by the client's name. The round trip of `trial` delays
    only the comparison's client: tests use it as a known difference. Raises `ServerFailed`,
    `WorkerFailed`, `MeasurementFailed`.
    """
    async with AsyncExitStack() as stack:
        url, _ = await stack.enter_async_context(local_server(application))
        publisher = await stack.enter_async_context(Worker(Publisher))
        server, http_cpu = MeasuredServer(url), {}
        for name in HTTP_CLIENTS:
            await server.open(publisher, name)
            await server.calibrate(publisher, trial.size, same_host=True)
            http_cpu[name] = server.http_cpu
        await server.open(publisher, trial.http_client)
        added: list[Added] = []
        for adapter in trial.adapters:
            delays: list[tuple[float, float]] = []
            for number in range(trial.rounds):
                delays += await _round(adapter, url, publisher, trial, number)
            minimal, tool = (statistics.median(column) for column in zip(*delays, strict=True))
            later = Spread.of([b - a] for a, b in delays)
            added.append(Added(adapter.name, minimal, tool, later))
    return added, http_cpu


async def _round(
    adapter: Adapter, url: str, publisher: Worker[Publisher], trial: Settings, number: int
) -> Sequence[tuple[float, float]]:
    """Return the delays of each event to the minimal client and to the tool's."""
    room, clock = f"check-{secrets.token_hex(4)}", Clock()
    path = BY_NAME[adapter.technique].path.format(room=room)
    config = ClientsConfig(adapter, trial, url, True, room)
    async with Worker(MinimalClient) as minimal, Worker(Subscribers, config) as tool:

        async def open_minimal() -> None:
            await minimal.ask(MinimalClient.open, adapter.technique, url + path)
            await _until_received(publisher, room, lambda: minimal.ask(MinimalClient.received))

        async def open_tool() -> None:
            await tool.ask(Subscribers.open)
            await _until_received(publisher, room, lambda: tool.ask(Subscribers.ready))

        openers = (open_tool, open_minimal) if number % 2 else (open_minimal, open_tool)
        for open_client in openers:
            await open_client()
        times = arrival_times(trial.rate, trial.duration, "poisson", trial.seed + number)
        start = time.monotonic() + LEAD
        published = await publisher.ask(Publisher.run, room, start, times, 0, trial.size)
        await asyncio.sleep(LEAD + 2 * trial.rtt)
        by_minimal = dict(await minimal.ask(MinimalClient.close))
        samples, _ = await tool.ask(Subscribers.close)
        by_tool = {sample.number: sample.received for sample in samples}
    return [
        (by_minimal[event.index] - at, by_tool[event.index] - at)
        for event in published.events
        if event.index in by_minimal and event.index in by_tool
        for at in (clock.published(event),)
    ]


async def _until_received(
    publisher: Worker[Publisher], room: str, received: Callable[[], Awaitable[int]]
) -> None:
    """Publish until a client has received something."""
    deadline = time.monotonic() + CONNECT_TIMEOUT
    while time.monotonic() < deadline:
        await publisher.ask(Publisher.publish, room, -1, TRIAL.size)
        await asyncio.sleep(0.1)
        if await received():
            return
    raise MeasurementFailed(
        _("No event arrived within {seconds} s.").format(seconds=f"{CONNECT_TIMEOUT:g}")
    )


def delays(added: Sequence[Added]) -> Table:
    table = Table(
        _("Delay added by this tool: medians in ms, on the same events (allowed: below 0.5)"),
        (
            *("", "n", _("minimal client"), _("this tool"), _("difference")),
            *(_("per event"), _("interval of that")),
        ),
    )
    for one in added:
        lateness = one.later
        table.add(
            label(one.technique),
            f"{lateness.count:,}",
            f"{one.minimal * 1e3:.2f}",
            f"{one.tool * 1e3:.2f}",
            Cell(f"{(one.tool - one.minimal) * 1e3:+.2f}", "good" if one.within else "bad"),
            f"{lateness.p50 * 1e3:+.2f}",
            f"{lateness.low * 1e3:+.2f} … {lateness.high * 1e3:+.2f}",
        )
    return table


def http_clients(cpu: Mapping[str, float]) -> Table:
    table = Table(_("CPU of the HTTP clients"), ("", _("ms for one publish")))
    for name, seconds in cpu.items():
        table.add(name, f"{seconds * 1e3:.2f}")
    return table
