"""A whole run: the server, the configurations one after another, the idle watch beside them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from realtime_demo.tap.network import Network

from . import publisher, subscribers
from .clients import group
from .fork_server import ForkServer
from .host import environment
from .local_server import APPLICATION, ServerFailed, local_server
from .measurement import measure
from .phase import MeasurementFailed
from .plan import Settings
from .progress import Progress, Report
from .results import Measurement
from .rounds import merged
from .target import Target
from .workers import Child, ChildFailed

CONNECTIONS = 1  # of the publisher, where the server is near
PATIENCE = 30.0  # seconds in which every idle client has to be connected
SETTLING = 0.5  # seconds after which what a handshake brings has come


@dataclass(frozen=True)
class Plan:
    """What to measure, and where. `server` is a base URL, or None for a server of our own."""

    configurations: tuple[Settings, ...]
    server: str | None = None
    application: str = APPLICATION
    publish_path: str = "/publish/{room}/"
    tapped: bool = True
    command: str = ""
    swept: str | None = None  # the setting that differs between the configurations


@dataclass(frozen=True)
class Configuration:
    """One configuration's measurements."""

    settings: Settings
    measurements: tuple[Measurement, ...]


@dataclass(frozen=True)
class Result:
    """A run, as it is printed, saved and drawn."""

    plan: Plan
    began: str  # ISO 8601, UTC
    environment: dict[str, Any]
    server: str
    same_host: bool
    clock_offset: float
    clock_uncertainty: float
    configurations: tuple[Configuration, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def complete(self) -> bool:
        """Nothing refused, lost, doubled or out of order, nowhere."""
        return all(
            measurement.ledger.complete
            for configuration in self.configurations
            for measurement in configuration.measurements
        )


def is_here(url: str) -> bool:
    """Whether the URL names this host by a loopback address, and so its clock is ours."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def run(plan: Plan, report: Report = lambda progress: None) -> Result:
    """Carry out `plan`. Raises `ServerFailed`, `ChildFailed`, `MeasurementFailed`, `OSError`."""
    began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    host = environment()
    async with AsyncExitStack() as stack:
        report(Progress("starting", (), 0.0))
        workers = await stack.enter_async_context(
            ForkServer(publisher.__name__, subscribers.__name__)
        )
        if plan.server is None:
            url, pid = await stack.enter_async_context(local_server(plan.application))
            target = Target(url, pid, plan.tapped, plan.publish_path)
        else:
            # A tap of TCP cannot stand before TLS, whose certificate names the server.
            tapped = plan.tapped and not plan.server.startswith("https:")
            target = Target(plan.server.rstrip("/"), None, tapped, plan.publish_path)
        same_host = is_here(target.url)
        load = await stack.enter_async_context(workers.child(publisher.__name__))
        await _reach(load, target)
        idle = await _watch_idle(stack, workers, target, plan.configurations[0])
        fresh = None if plan.server else partial(_fresh, plan)
        found: list[Configuration] = []
        warnings: list[str] = []
        for settings in plan.configurations:
            connections = CONNECTIONS if same_host else max(CONNECTIONS, round(settings.rate))
            await load.ask(
                "open", base_url=target.url, path=target.publish_path, connections=connections
            )
            await target.calibrate(load, settings.size, same_host)
            rounds = [
                await measure(target, workers, load, one, report, fresh)
                for one in settings.each_round()
            ]
            network = settings.network if target.tapped else Network()
            measured = [merged(same, settings, network) for same in zip(*rounds, strict=True)]
            found.append(Configuration(settings, tuple(measured)))
            if abs(target.clock.stepped) > 0.001:
                warnings.append(
                    f"The clock was set by {target.clock.stepped * 1e3:.0f} ms during the run: "
                    "delays from the publication are not to be trusted."
                )
        found = _with_idle(found, await idle.ask("idle") if idle else {})
    return Result(
        plan=plan,
        began=began,
        environment=host,
        server=plan.server or f"local ({plan.application})",
        same_host=same_host,
        clock_offset=target.clock.offset,
        clock_uncertainty=target.clock.uncertainty,
        configurations=tuple(found),
        warnings=tuple(warnings),
    )


@contextlib.asynccontextmanager
async def _fresh(plan: Plan) -> AsyncIterator[Target]:
    """Another server like the plan's own."""
    async with local_server(plan.application) as (url, pid):
        yield Target(url, pid, plan.tapped, plan.publish_path)


async def _reach(load: Child, target: Target) -> None:
    """Connect once, before so many clients wait for what is not there. Raises `ServerFailed`."""
    try:
        await load.ask("open", base_url=target.url, path=target.publish_path, connections=1)
    except ChildFailed as error:
        raise ServerFailed(f"No server can be reached at {target.url}: {error}") from error


async def _watch_idle(
    stack: AsyncExitStack, workers: ForkServer, target: Target, settings: Settings
) -> Child | None:
    """One client of each technique in a room where nothing happens, as long as the run lasts.

    Raises `MeasurementFailed` where one has not been answered in time.
    """
    if not target.tapped:
        return None
    child = await stack.enter_async_context(workers.child(subscribers.__name__))
    room = f"compare-{secrets.token_hex(4)}"
    await child.ask(
        "open",
        groups=[
            group(adapter, settings, target=target.url, tapped=True, room=room)
            for adapter in settings.adapters
        ],
    )
    deadline = time.monotonic() + PATIENCE
    waiting = [adapter.name for adapter in settings.adapters]
    while waiting:
        if time.monotonic() > deadline:
            raise MeasurementFailed(
                f"{target.url} has not answered {', '.join(waiting)} in {PATIENCE:g} s."
            )
        await asyncio.sleep(0.1)
        mark = await child.ask("mark")
        # A long poll in a quiet room is held before its first byte.
        waiting = [
            adapter.name
            for adapter in settings.adapters
            if not mark["groups"][adapter.name]["up" if adapter.technique == "longpoll" else "down"]
        ]
    await asyncio.sleep(SETTLING)
    await child.ask("settle")
    return child


def _with_idle(
    found: Sequence[Configuration], idle: dict[str, dict[str, float] | None]
) -> list[Configuration]:
    """The first configuration's interval, hold and network were the idle clients' own."""
    completed: list[Configuration] = []
    for configuration in found:
        settings, first = configuration.settings, found[0].settings
        alike = all(
            getattr(settings, name) == getattr(first, name)
            for name in ("interval", "hold", "network")
        )
        measurements = [
            measurement.with_idle(idle.get(measurement.name) if alike else None)
            for measurement in configuration.measurements
        ]
        completed.append(Configuration(settings, tuple(measurements)))
    return completed
