"""A whole run: the server, the configurations one after another, and idle clients beside them."""

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
from operator import attrgetter
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from realtime_demo.tap.network import Network

from .host import environment
from .load import ClientsConfig, Publisher, Subscribers
from .measurement import MeasurementFailed, measure
from .plan import Plan, Progress, Report, Settings
from .results import Configuration, Idle, Result
from .server import MeasuredServer, ServerFailed, local_name, local_server
from .summary import merged
from .workers import Worker, WorkerFailed

CONNECT_TIMEOUT = 30.0  # seconds until every idle client must be connected
SETTLING = 0.5  # seconds until a handshake's bytes have arrived


def is_loopback(url: str) -> bool:
    """Return whether `url` is a loopback address, so that server and clients share a clock."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


async def run(plan: Plan, report: Report = lambda progress: None) -> Result:
    """Run `plan`. Raises `ServerFailed`, `WorkerFailed`, `MeasurementFailed`, `OSError`."""
    began = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    host = environment()
    async with AsyncExitStack() as stack:
        report(Progress("starting", (), 0.0))
        if plan.server is None:
            target = await stack.enter_async_context(_fresh(plan))
        else:
            # No tap with TLS: the certificate names the server, not the tap.
            tapped = plan.tapped and not plan.server.startswith("https:")
            target = MeasuredServer(plan.server.rstrip("/"), None, tapped, plan.publish_path)
        same_host = is_loopback(target.url)
        publisher = await stack.enter_async_context(Worker(Publisher))
        await _check_reachable(publisher, target)
        idle_workers = await _watch_idle(stack, target, plan.configurations[0])
        fresh = None if plan.server else partial(_fresh, plan)
        configurations: list[Configuration] = []
        warnings: list[str] = []
        for settings in plan.configurations:
            connections = 1 if same_host else max(1, round(settings.rate))
            await target.open(publisher, settings.http_client, connections)
            await target.calibrate(publisher, settings.size, same_host)
            rounds = [
                await measure(target, publisher, one, report, fresh)
                for one in settings.each_round()
            ]
            network = settings.network if target.tapped else Network()
            measured = [merged(same, settings, network) for same in zip(*rounds, strict=True)]
            configurations.append(Configuration(settings, tuple(measured)))
            if abs(target.clock.stepped) > 0.001:
                text = _(
                    "The clock was set by {ms} ms during the run: delays from the publication are "
                    "unreliable."
                )
                warnings.append(text.format(ms=f"{target.clock.stepped * 1e3:.0f}"))
        idle = {name: await worker.ask(Subscribers.idle) for name, worker in idle_workers.items()}
    return Result(
        plan=plan,
        began=began,
        environment=host,
        server=plan.server or local_name(plan.application),
        same_host=same_host,
        clock_offset=target.clock.offset,
        clock_uncertainty=target.clock.uncertainty,
        http_cpu=target.http_cpu,
        configurations=tuple(_with_idle(configurations, idle)),
        warnings=tuple(warnings),
    )


@contextlib.asynccontextmanager
async def _fresh(plan: Plan) -> AsyncIterator[MeasuredServer]:
    """Run a local server with the plan's application, for the block."""
    async with local_server(plan.application) as (url, pid):
        yield MeasuredServer(url, pid, plan.tapped, plan.publish_path)


async def _check_reachable(publisher: Worker[Publisher], target: MeasuredServer) -> None:
    """Connect once before the clients start. Raises `ServerFailed`."""
    try:
        await target.open(publisher)
    except WorkerFailed as error:
        text = _("The server at {url} cannot be reached: {reason}")
        raise ServerFailed(text.format(url=target.url, reason=error.reason)) from error


async def _watch_idle(
    stack: AsyncExitStack, target: MeasuredServer, settings: Settings
) -> dict[str, Worker[Subscribers]]:
    """Start one client of each technique in a room without events, for the whole run.

    Raises `MeasurementFailed` if a client receives no response in time.
    """
    idle_workers: dict[str, Worker[Subscribers]] = {}
    if not target.tapped:
        return idle_workers
    room = f"compare-{secrets.token_hex(4)}"
    for adapter in settings.adapters:
        worker = Worker(Subscribers, ClientsConfig(adapter, settings, target.url, True, room))
        idle_workers[adapter.name] = await stack.enter_async_context(worker)
        await worker.ask(Subscribers.open)
    deadline = time.monotonic() + CONNECT_TIMEOUT
    waiting = settings.adapters
    while waiting:
        if time.monotonic() > deadline:
            text = _("{url} sent no response to {names} within {seconds} s.")
            names, seconds = ", ".join(each.name for each in waiting), f"{CONNECT_TIMEOUT:g}"
            raise MeasurementFailed(text.format(url=target.url, names=names, seconds=seconds))
        await asyncio.sleep(0.1)
        for adapter in list(waiting):
            wire = (await idle_workers[adapter.name].ask(Subscribers.mark)).counts.wire
            # A long poll in a quiet room receives no byte until its timeout.
            if wire.up if adapter.response_ends == "with events" else wire.down:
                waiting.remove(adapter)
    await asyncio.sleep(SETTLING)
    for worker in idle_workers.values():
        await worker.ask(Subscribers.settle)
    return idle_workers


def _with_idle(
    configurations: Sequence[Configuration], idle: Mapping[str, Idle]
) -> list[Configuration]:
    """Add the idle clients' bytes to the configurations with the same idle traffic.

    Idle clients have the first configuration's interval, hold and network.
    """

    idle_settings = attrgetter("settings.interval", "settings.hold", "settings.network")
    added = list(configurations)
    for number, one in enumerate(configurations):
        if idle_settings(one) == idle_settings(configurations[0]):
            measured = tuple(replace(m, idle=idle.get(m.name, Idle())) for m in one.measurements)
            added[number] = replace(one, measurements=measured)
    return added
