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
from .subscribers import GroupPlan, Subscribers
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
        idle = await _watch_idle(stack, workers, target, plan.configurations[0])
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
        if idle is not None:
            configurations = _with_idle(configurations, await idle.ask(Subscribers.idle))
    return Result(
        plan=plan,
        began=began,
        environment=host,
        server=plan.server or f"local ({plan.application})",
        same_host=same_host,
        clock_offset=target.clock.offset,
        clock_uncertainty=target.clock.uncertainty,
        configurations=tuple(configurations),
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
) -> Worker[Subscribers] | None:
    """One client of each technique in a room where nothing happens, as long as the run lasts.

    Raises `MeasurementFailed` where one has not been answered in time.
    """
    if not target.tapped:
        return None
    worker = await stack.enter_async_context(workers.worker(Subscribers))
    room = f"compare-{secrets.token_hex(4)}"
    plans = [GroupPlan(one, settings, target.url, True, room) for one in settings.adapters]
    await worker.ask(Subscribers.open, plans)
    deadline = time.monotonic() + PATIENCE
    waiting = [plan.adapter.name for plan in plans]
    while waiting:
        if time.monotonic() > deadline:
            raise MeasurementFailed(
                f"{target.url} has not answered {', '.join(waiting)} in {PATIENCE:g} s."
            )
        await asyncio.sleep(0.1)
        groups = (await worker.ask(Subscribers.mark)).groups
        waiting = []
        for plan in plans:
            wire = groups[plan.adapter.name].wire
            # A long poll in a quiet room is held before its first byte.
            if not (wire.up if plan.adapter.ends == "at the first batch" else wire.down):
                waiting.append(plan.adapter.name)
    await asyncio.sleep(SETTLING)
    await worker.ask(Subscribers.settle)
    return worker


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
