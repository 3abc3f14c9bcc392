"""A whole run: the server, the configurations one after another, the idle watch beside them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from realtime_demo.tap.network import Network

from .host import environment
from .local_server import ServerFailed, local_server
from .measurement import measure
from .phase import MeasurementFailed, Target
from .plan import Plan, Progress, Report, Settings
from .publisher import Publisher
from .results import Configuration, Idle, Result
from .subscribers import Orders, Subscribers
from .summary import merged
from .workers import ForkServer, Worker, WorkerFailed

CONNECTIONS = 1  # of the publisher, where the server is near
PATIENCE = 30.0  # seconds in which every idle client has to be connected
SETTLING = 0.5  # seconds after which what a handshake brings has come


def is_here(url: str) -> bool:
    """Whether the URL names this host by a loopback address, and so its clock is ours."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def run(plan: Plan, report: Report = lambda progress: None) -> Result:
    """Carry out `plan`. Raises `ServerFailed`, `WorkerFailed`, `MeasurementFailed`, `OSError`."""
    began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    host = environment()
    async with AsyncExitStack() as stack:
        report(Progress("starting", (), 0.0))
        workers = await stack.enter_async_context(ForkServer(Publisher, Subscribers))
        if plan.server is None:
            target = await stack.enter_async_context(_fresh(plan))
        else:
            # A tap of TCP cannot stand before TLS, whose certificate names the server.
            tapped = plan.tapped and not plan.server.startswith("https:")
            target = Target(plan.server.rstrip("/"), None, tapped, plan.publish_path)
        same_host = is_here(target.url)
        publisher = await stack.enter_async_context(workers.worker(Publisher))
        await _reach(publisher, target)
        watched = await _watch_idle(stack, workers, target, plan.configurations[0])
        fresh = None if plan.server else partial(_fresh, plan)
        configurations: list[Configuration] = []
        warnings: list[str] = []
        for settings in plan.configurations:
            far = 1 if same_host else round(settings.rate)
            await target.open(publisher, max(CONNECTIONS, far))
            await target.calibrate(publisher, settings.size, same_host)
            rounds = [
                await measure(target, workers, publisher, one, report, fresh)
                for one in settings.each_round()
            ]
            network = settings.network if target.tapped else Network()
            measured = [merged(same, settings, network) for same in zip(*rounds, strict=True)]
            configurations.append(Configuration(settings, tuple(measured)))
            if abs(target.clock.stepped) > 0.001:
                warnings.append(
                    f"The clock was set by {target.clock.stepped * 1e3:.0f} ms during the run: "
                    "delays from the publication are not to be trusted."
                )
        idle = {name: await worker.ask(Subscribers.idle) for name, worker in watched.items()}
    return Result(
        plan=plan,
        began=began,
        environment=host,
        server=plan.server or f"local ({plan.application})",
        same_host=same_host,
        clock_offset=target.clock.offset,
        clock_uncertainty=target.clock.uncertainty,
        configurations=tuple(_with_idle(configurations, idle)),
        warnings=tuple(warnings),
    )


@contextlib.asynccontextmanager
async def _fresh(plan: Plan) -> AsyncIterator[Target]:
    """A server of our own, as the plan has it."""
    async with local_server(plan.application) as (url, pid):
        yield Target(url, pid, plan.tapped, plan.publish_path)


async def _reach(publisher: Worker[Publisher], target: Target) -> None:
    """Connect once, before so many clients wait for what is not there. Raises `ServerFailed`."""
    try:
        await target.open(publisher)
    except WorkerFailed as error:
        raise ServerFailed(f"No server can be reached at {target.url}: {error}") from error


async def _watch_idle(
    stack: AsyncExitStack, workers: ForkServer, target: Target, settings: Settings
) -> dict[str, Worker[Subscribers]]:
    """One client of each technique in a room where nothing happens, as long as the run lasts.

    Raises `MeasurementFailed` where one has not been answered in time.
    """
    watched: dict[str, Worker[Subscribers]] = {}
    if not target.tapped:
        return watched
    room = f"compare-{secrets.token_hex(4)}"
    for adapter in settings.adapters:
        worker = workers.worker(Subscribers, Orders(adapter, settings, target.url, True, room))
        watched[adapter.name] = await stack.enter_async_context(worker)
        await worker.ask(Subscribers.open)
    deadline = time.monotonic() + PATIENCE
    waiting = settings.adapters
    while waiting:
        if time.monotonic() > deadline:
            names = ", ".join(adapter.name for adapter in waiting)
            raise MeasurementFailed(f"{target.url} has not answered {names} in {PATIENCE:g} s.")
        await asyncio.sleep(0.1)
        for adapter in list(waiting):
            wire = (await watched[adapter.name].ask(Subscribers.mark)).counts.wire
            # A long poll in a quiet room is held before its first byte.
            if wire.up if adapter.ends == "at the first batch" else wire.down:
                waiting.remove(adapter)
    await asyncio.sleep(SETTLING)
    for worker in watched.values():
        await worker.ask(Subscribers.settle)
    return watched


def _with_idle(
    configurations: Sequence[Configuration], idle: Mapping[str, Idle | None]
) -> list[Configuration]:
    """The first configuration's interval, hold and network were the idle clients' own."""

    def own(settings: Settings) -> tuple[object, ...]:
        return settings.interval, settings.hold, settings.network

    return [
        replace(
            one,
            measurements=tuple(replace(m, idle=idle.get(m.name)) for m in one.measurements),
        )
        if own(one.settings) == own(configurations[0].settings)
        else one
        for one in configurations
    ]
