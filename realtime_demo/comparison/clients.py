"""The clients under measurement, as the parent sees them: groups of them in worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any, Self

from . import schedule, subscribers
from .adapters import Adapter
from .fork_server import ForkServer
from .ledger import Sample
from .plan import Settings
from .workers import Child

PER_PROCESS = 50  # clients in one subscriber process

Marks = list[dict[str, Any]]  # `subscribers.Subscribers.mark` of each process


def group(
    adapter: Adapter,
    settings: Settings,
    *,
    target: str,
    tapped: bool,
    room: str,
    first: int = 0,
    phases: Sequence[float] = (0.0,),
) -> dict[str, Any]:
    """What `subscribers.Group` is made from: a client of `adapter` for each of `phases`."""
    return {
        "name": adapter.name,
        "technique": adapter.technique,
        "path": adapter.path,
        "target": target,
        "network": asdict(settings.network),
        "tapped": tapped,
        "room": room,
        "phases": list(phases),
        "first": first,
        "interval": settings.interval,
        "hold": settings.hold,
    }


class Clients:
    """`settings.clients` clients of each adapter in `room`, while the block lasts."""

    def __init__(
        self, workers: ForkServer, settings: Settings, adapters: Sequence[Adapter], room: str
    ) -> None:
        self.settings = settings
        self.adapters = adapters
        self.room = room
        self._workers = workers
        self._children: list[Child] = []
        self._names: list[str] = []  # of each child's adapter
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in self._children:
            child.dismiss()  # all at once
        await self._stack.aclose()

    async def open(self, target: str, tapped: bool) -> None:
        """Start them all; they connect on their own time."""
        settings = self.settings
        polling = schedule.phases(settings.clients, settings.interval + settings.rtt, settings.seed)
        groups = []
        for adapter in self.adapters:
            phases = polling if adapter.technique == "polling" else [0.0] * settings.clients
            groups += [
                group(
                    adapter,
                    settings,
                    target=target,
                    tapped=tapped,
                    room=self.room,
                    first=first,
                    phases=phases[first : first + PER_PROCESS],
                )
                for first in range(0, settings.clients, PER_PROCESS)
            ]
        self._names = [one["name"] for one in groups]
        for _ in groups:
            child = self._workers.child(subscribers.__name__)
            self._children.append(await self._stack.enter_async_context(child))
        await asyncio.gather(
            *[
                child.ask("open", groups=[one])
                for child, one in zip(self._children, groups, strict=True)
            ]
        )

    async def _ask(self, command: str) -> list[Any]:
        return list(await asyncio.gather(*[child.ask(command) for child in self._children]))

    async def ready(self) -> dict[str, int]:
        """How many clients of each adapter have received anything."""
        found = dict.fromkeys((adapter.name for adapter in self.adapters), 0)
        for answer in await self._ask("ready"):
            for name, count in answer.items():
                found[name] += count
        return found

    async def probe(self) -> dict[str, dict[str, float]]:
        """What an empty request costs, for each adapter where it can be told: under load, and
        ("request") by itself, which one process after another asks, the first of each adapter."""
        found: dict[str, dict[str, float]] = {}
        for answer in await self._ask("probe"):
            found |= {name: probe for name, probe in answer.items() if probe}
        for child, name in zip(self._children, self._names, strict=True):
            if name in found and "request" not in found[name]:
                found[name] |= {"request": (await child.ask("request"))[name]}
        return found

    async def settle(self) -> None:
        """Forget how the processes fared until now."""
        await self._ask("settle")

    async def marks(self) -> Marks:
        """What each process has counted so far."""
        return await self._ask("mark")

    async def close(self) -> tuple[dict[str, list[Sample]], dict[str, list[list[float]]]]:
        """End them. For each adapter, all its deliveries, and when each polling client asked."""
        samples: dict[str, list[Sample]] = {adapter.name: [] for adapter in self.adapters}
        asked: dict[str, list[list[float]]] = {adapter.name: [] for adapter in self.adapters}
        for answer in await self._ask("close"):
            for name, (found, times) in answer.items():
                samples[name] += [Sample(*sample) for sample in found]
                asked[name] += times
        return samples, asked


def total(marks: Marks, name: str) -> dict[str, float]:
    """The numbers of the groups called `name`, summed over the processes that have one."""
    found: dict[str, float] = {}
    for mark in marks:
        for key, value in mark["groups"].get(name, {}).items():
            if isinstance(value, int | float):
                found[key] = found.get(key, 0) + value
    return found
