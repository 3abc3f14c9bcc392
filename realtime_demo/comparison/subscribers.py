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
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from transports.client import query
from transports.registry import BY_NAME

from . import child
from .adapters import Adapter, target
from .asker import Asker
from .network import Link, Network
from .relay import Connection, Direction
from .schedule import index_of
from .tap import Tap

BEAT = 0.02  # seconds between looks at how late the event loop is
EMPTY = b'"events":[]'
SCANNED = 4_096  # bytes of a response in which an empty batch would show
PROBES = 9
RECENT = 200  # deliveries whose median is on the screen while it runs


class Group:
    """The clients of one technique in this process, and the tap before them."""

    def __init__(
        self,
        name: str,
        technique: str,
        path: str | None,
        target: str,
        network: dict[str, dict[str, float]],
        tapped: bool,
        room: str,
        phases: list[float],
        first: int,
        interval: float,
        hold: float,
    ) -> None:
        self.adapter = Adapter(name, technique, path)
        self.target = target
        url = urlsplit(target)
        self.tap = Tap(
            url.hostname or "127.0.0.1",
            url.port or 80,
            network=Network(Link(**network["up"]), Link(**network["down"])),
            label=name,
            observe=self.observe,
        )
        self.tapped = tapped
        self.room = room
        self.phases = phases
        self.first = first
        self.interval = interval
        self.hold = hold
        self.samples: list[tuple[int, int, float]] = []
        self.resets = 0
        self.counted = 0  # samples of the measured window, whose numbers are not negative
        self.errors: list[str] = []
        self.asked: list[list[float]] = [[] for _ in phases]  # of those that poll
        self._recent: deque[float] = deque(maxlen=RECENT)
        self.empty = 0
        self._responses: dict[int, bytearray] = {}
        self._signs: list[tuple[float, int, int]] = []
        self._clients: list[asyncio.Task[None]] = []

    @property
    def asks(self) -> bool:
        """Whether each answer is to a request of its own."""
        return self.adapter.technique in ("polling", "longpoll")

    @property
    def base_url(self) -> str:
        return self.tap.url if self.tapped else self.target

    async def open(self) -> None:
        await self.tap.__aenter__()
        self._clients = [
            asyncio.create_task(self._follow(self.first + number, phase))
            for number, phase in enumerate(self.phases)
        ]

    async def close(self) -> None:
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self.tap.__aexit__()

    async def _follow(self, client: int, phase: float) -> None:
        await asyncio.sleep(phase)
        asked = self.asked[client - self.first] if self.adapter.technique == "polling" else None
        try:
            events = self.adapter.events(
                self.base_url,
                self.room,
                interval=self.interval,
                hold=self.hold,
                http=partial(Asker, asked=asked),
            )
            async with aclosing(cast(Any, events)):
                async for event in events:
                    received, wall = time.monotonic(), time.time()
                    if event.type == "reset":
                        self.resets += 1
                    elif (index := index_of(event.text)) is not None:
                        self.samples.append((client, index, received))
                        self.counted += index >= 0
                        self._recent.append(wall - event.published_at)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def observe(self, connection: Connection, direction: Direction, data: bytes) -> None:
        """Find the responses that brought nothing, by the bytes that crossed, as they come."""
        if direction == "down":
            self._signs.append((time.monotonic(), self.tap.total.up, self.tap.total.down))
            del self._signs[1:-1]
            if self.asks:
                response = self._responses.setdefault(connection.number, bytearray())
                before = EMPTY in response
                response += data[: max(0, SCANNED - len(response))]
                self.empty += EMPTY in response and not before
        else:
            self._responses.pop(connection.number, None)

    def mark(self) -> dict[str, Any]:
        """Everything counted so far."""
        total = self.tap.total
        return {
            "time": time.monotonic(),
            "up": total.up,
            "down": total.down,
            "connections": total.connections,
            "requests": total.requests,
            "open": len(self.tap.connections),
            "empty": self.empty,
            "received": len(self.samples),
            "counted": self.counted,
            "resets": self.resets,
            "errors": self.errors,
            # Two wall clocks' difference: good for the screen, not for a figure.
            "median": statistics.median(self._recent) if self._recent else None,
        }

    def idle(self) -> dict[str, float] | None:
        """Bytes a second between the first and the last sign of life since `settle`."""
        if len(self._signs) < 2 or self._signs[-1][0] - self._signs[0][0] < 1:
            return None
        (began, up, down), (ended, up_after, down_after) = self._signs[0], self._signs[-1]
        return {
            "up": (up_after - up) / (ended - began),
            "down": (down_after - down) / (ended - began),
            "seconds": ended - began,
        }

    def settle(self) -> None:
        self._signs.clear()

    async def probe(self) -> dict[str, float] | None:
        """What one empty request costs here: seconds, bytes up and down.

        As many ask at once as do so under load: all the clients of a long poll, one of any
        other. Open connections do not ask; there a poll of this project's shows how long
        client and server work, and None is the answer for someone else's.
        """
        if not self.asks and self.adapter.path is not None:
            return None
        path, asking = self._probed()
        # The digits of the real hold are added to the size.
        extra = len(f"{self.hold:g}") - 1 if asking else 0
        # A tap of its own, so that the clients' traffic is not counted with it.
        async with Tap(*self.tap.target, network=self.tap.network) as tap:
            base_url = tap.url if self.tapped else self.target
            times = await self._ask(base_url, len(self.phases) if asking else 1)
            size = {"up": 0.0, "down": 0.0, "cursor": 0.0}
            if self.tapped:  # the sizes of one more, by itself
                async with Asker(base_url) as asker:
                    first = json.loads((await asker.get(target(path, asking))).body)
                    cursor = first.get("cursor") if isinstance(first, dict) else None
                    last = tap.total
                    await asker.get(target(path, query(cursor, **asking)))
                spent = tap.total - last
                size = {"up": float(spent.up + extra), "down": float(spent.down)}
                size["cursor"] = float(len(cursor)) if cursor else 0.0
        return {"seconds": statistics.median(times), **size}

    async def request(self) -> float | None:
        """Seconds that one empty request takes by itself, without the network that is put in: what
        client and server work on it, whoever else would ask under load."""
        if not self.asks and self.adapter.path is not None:
            return None
        async with Tap(*self.tap.target) as tap:
            return statistics.median(await self._ask(tap.url if self.tapped else self.target, 1))

    def _probed(self) -> tuple[str, dict[str, str]]:
        """The path and the query of an empty request; "wait=0" answers a long poll at once."""
        long = self.adapter.technique == "longpoll"
        path = self.adapter.path or BY_NAME["longpoll" if long else "polling"].path
        room = self.room.replace("compare-", "probing-")
        return path.format(room=room), {"wait": "0"} if long else {}

    async def _ask(self, base_url: str, together: int) -> list[float]:
        """The seconds that `PROBES` empty requests take, of so many clients at once each."""
        path, asking = self._probed()
        times: list[float] = []
        barrier = asyncio.Barrier(together)

        async def ask() -> None:
            async with Asker(base_url) as asker:
                first = json.loads((await asker.get(target(path, asking))).body)
                cursor = first.get("cursor") if isinstance(first, dict) else None
                again = target(path, query(cursor, **asking))
                for _ in range(PROBES):
                    await barrier.wait()
                    began = time.monotonic()
                    json.loads((await asker.get(again)).body)
                    times.append(time.monotonic() - began)

        await asyncio.gather(*[ask() for _ in range(together)])
        return times


class Subscribers:
    """The child's commands."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self._watch: asyncio.Task[None] | None = None
        self._lags: list[float] = []

    async def open(self, groups: list[dict[str, Any]]) -> None:
        self.groups = [Group(**group) for group in groups]
        for group in self.groups:
            await group.open()
        self._watch = asyncio.create_task(self._watch_the_loop())

    async def _watch_the_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT
            await asyncio.sleep(BEAT)
            self._lags.append(loop.time() - due)

    async def ready(self) -> dict[str, int]:
        """How many clients of each group have received anything."""
        return {
            group.adapter.name: len({client for client, _, _ in group.samples})
            for group in self.groups
        }

    async def probe(self) -> dict[str, Any]:
        return {group.adapter.name: await group.probe() for group in self.groups}

    async def request(self) -> dict[str, float | None]:
        return {group.adapter.name: await group.request() for group in self.groups}

    async def settle(self) -> None:
        self._lags.clear()
        for group in self.groups:
            group.settle()

    async def mark(self) -> dict[str, Any]:
        return {
            "groups": {group.adapter.name: group.mark() for group in self.groups},
            "cpu": time.process_time(),
            "time": time.monotonic(),
            "lags": sorted(self._lags),
        }

    async def idle(self) -> dict[str, Any]:
        return {group.adapter.name: group.idle() for group in self.groups}

    async def close(self) -> dict[str, Any]:
        """End every client; all samples, and when each client asked."""
        if self._watch is not None:
            self._watch.cancel()
        for group in self.groups:
            await group.close()
        return {group.adapter.name: (group.samples, group.asked) for group in self.groups}


def commands() -> dict[str, child.Command]:
    """What a worker process with this module can be asked."""
    subscribers = Subscribers()
    return {
        "open": subscribers.open,
        "ready": subscribers.ready,
        "probe": subscribers.probe,
        "request": subscribers.request,
        "settle": subscribers.settle,
        "mark": subscribers.mark,
        "idle": subscribers.idle,
        "close": subscribers.close,
    }
