"""One round measured: set up, warm up, probe, load, drain, probe again, settle the figures."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from .assembly import WEIGHED, Evidence, assemble
from .clients import Clients
from .fork_server import ForkServer
from .host import resident_bytes
from .phase import MeasurementFailed, Phase
from .plan import Settings
from .probes import fire, silence
from .progress import Report
from .results import Measurement
from .target import Target
from .window import Window, observe
from .workers import Child

PATIENCE = 30.0  # seconds in which every client has to have received something
LOOK = 0.02  # seconds between looks whether something has come
AGAIN = 0.2  # seconds, beside a round trip, after which the warm-up publishes once more
BEHIND = 0.1  # seconds, beside a round trip, in which a double of the last event would come


async def measure(
    target: Target,
    workers: ForkServer,
    load: Child,
    settings: Settings,
    report: Report,
    fresh: Callable[[], AbstractAsyncContextManager[Target]] | None = None,
) -> list[Measurement]:
    """One round: every technique of `settings`, each by itself or all together.

    With `fresh`, each technique of so many clients that memory is measured gets a server of
    its own: what an earlier technique has left free would be used again, and not be seen.
    """
    adapters = settings.adapters
    found: list[Measurement] = []
    for some in [adapters] if settings.together else [[adapter] for adapter in adapters]:
        room = f"compare-{secrets.token_hex(4)}"
        async with Clients(workers, settings, some, room) as clients:
            if fresh is None or settings.clients < WEIGHED:
                found += await _measure(Phase(target, load, settings, clients, report))
                continue
            async with fresh() as own:
                await load.ask("open", base_url=own.url, path=own.publish_path, connections=1)
                await own.calibrate(load, settings.size, same_host=True)
                found += await _measure(Phase(own, load, settings, clients, report))
    return found


async def _measure(phase: Phase) -> list[Measurement]:
    phase.tell("connecting")
    clients, target = phase.clients, phase.target
    before = resident_bytes(target.pid) if target.pid else None
    await clients.open(target.url, target.tapped)
    warmed = await _warm_up(phase)
    after = resident_bytes(target.pid) if target.pid else None
    probes = await clients.probe()
    silent = await silence(phase)
    volley = await fire(phase, 0, silent)
    await clients.settle()
    window = await observe(phase)
    await _drain(phase, window)
    if phase.waited:
        volley += await fire(phase, 1, silent)
    else:
        await asyncio.sleep(BEHIND + phase.settings.rtt)
    ends = await clients.marks()
    samples, asked = await clients.close()
    memory = None if before is None or after is None else after - before
    found = Evidence(warmed, window, ends, probes, volley, memory, samples, asked)
    return [assemble(phase, adapter, found) for adapter in clients.adapters]


async def _warm_up(phase: Phase) -> list[float]:
    """Publish until every client has received something; when it was published. Raises
    `MeasurementFailed`."""
    settings = phase.settings
    deadline = time.monotonic() + PATIENCE + settings.interval + 4 * settings.rtt
    published: list[float] = []
    while True:
        published.append(phase.published(await phase.publish(-1 - len(published))))
        again = time.monotonic() + AGAIN + settings.rtt
        while time.monotonic() < again:
            ready = await phase.clients.ready()
            if all(count == settings.clients for count in ready.values()):
                return published
            await asyncio.sleep(LOOK)
        for mark in await phase.clients.marks():
            for name, group in mark["groups"].items():
                if group["errors"]:
                    raise MeasurementFailed(f"{name}: {group['errors'][0]}")
        if time.monotonic() > deadline:
            missing = ", ".join(
                f"{name} ({count} of {settings.clients})"
                for name, count in ready.items()
                if count < settings.clients
            )
            raise MeasurementFailed(f"No event of the warm-up has reached all of {missing}.")


async def _drain(phase: Phase, window: Window) -> None:
    """Wait for what is still on its way: as long as any technique may take, and no longer."""
    settings = phase.settings
    patience = 2.0 + 2 * (settings.interval + 4 * (settings.rtt + settings.jitter))
    deadline = time.monotonic() + patience
    due = settings.clients * len(phase.names) * len(window.sent)
    phase.tell("draining", 1.0)
    while time.monotonic() < deadline:
        marks = await phase.clients.marks()
        if sum(one["counted"] for mark in marks for one in mark["groups"].values()) >= due:
            return
        await asyncio.sleep(LOOK)
