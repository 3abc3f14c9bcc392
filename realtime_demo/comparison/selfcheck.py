"""What the comparison itself adds to a delay: its clients beside bare ones, event by event.

One bare client and one of the comparison's, tap and all, follow the same room of the same
server at the same time. Each event gives one difference, in which the server's and the
machine's mood cancel out. The server writes to one after the other, so the two take turns at
being first.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from transports.registry import BY_NAME

from . import bare as bare_client
from . import load as publisher
from . import schedule, subscribers
from .adapters import Adapter
from .bare import CLIENTS
from .child import Child
from .clients import group
from .clock import Clock
from .figures import Spread
from .fork_server import ForkServer
from .local_server import APPLICATION, local_server
from .phase import MeasurementFailed
from .settings import Settings

RATE = 20.0  # events a second
PATIENCE = 10.0  # seconds in which both have to be connected
LEAD = 0.25
ALLOWED = 0.0005  # seconds that the comparison may add to a median


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

    techniques: tuple[str, ...] = tuple(CLIENTS)
    rounds: int = 4  # the comparison's client connects first in every other one
    seconds: float = 4.0  # of events, in each round
    seed: int = 1
    rtt: float = 0.0


async def self_check(trial: Trial, application: str = APPLICATION) -> list[Added]:
    """Each technique but polling, whose delay is its phase; its way is long polling's.

    Raises `ServerFailed`, `ChildFailed`, `MeasurementFailed`.
    """
    async with AsyncExitStack() as stack:
        workers = await stack.enter_async_context(
            ForkServer(publisher.__name__, subscribers.__name__, bare_client.__name__)
        )
        url, _ = await stack.enter_async_context(local_server(application))
        load = await stack.enter_async_context(workers.child(publisher.__name__))
        await load.ask("open", base_url=url, path="/publish/{room}/", connections=1)
        return [await _technique(workers, name, url, load, trial) for name in trial.techniques]


async def _technique(workers: ForkServer, name: str, url: str, load: Child, trial: Trial) -> Added:
    bare, tool, later = list[float](), list[float](), list[list[float]]()
    for number in range(trial.rounds):
        delays = await _round(workers, name, url, load, trial, number)
        for by_bare, by_tool in delays:
            bare.append(by_bare)
            tool.append(by_tool)
            later.append([by_tool - by_bare])
    return Added(name, statistics.median(bare), statistics.median(tool), Spread.of(later))


async def _round(
    workers: ForkServer, name: str, url: str, load: Child, trial: Trial, number: int
) -> Sequence[tuple[float, float]]:
    """The delays of each event to the bare client and to the tool's."""
    room, clock = f"check-{secrets.token_hex(4)}", Clock()
    path = BY_NAME[name].path.format(room=room)
    settings = Settings(rtt=trial.rtt)
    ours = group(Adapter.parse(name), settings, target=url, tapped=True, room=room)
    async with (
        workers.child(bare_client.__name__) as bare,
        workers.child(subscribers.__name__) as tool,
    ):
        orders = [
            lambda: bare.ask("open", technique=name, url=url + path),
            lambda: tool.ask("open", groups=[ours]),
        ]
        for turn in (1, 0) if number % 2 else (0, 1):
            await orders[turn]()
            await _until_received(load, room, (bare, tool)[turn])
        times = schedule.times(RATE, trial.seconds, "poisson", trial.seed + number)
        start = time.monotonic() + LEAD
        answer = await load.ask("run", room=room, start=start, times=times, first=0, size=100)
        await asyncio.sleep(LEAD + 2 * trial.rtt)
        by_bare = dict(await bare.ask("close"))
        samples, _ = (await tool.ask("close"))[name]
        by_tool = {index: received for _, index, received in samples}
    return [
        (by_bare[index] - published, by_tool[index] - published)
        for event in answer["events"]
        if (index := event["index"]) in by_bare and index in by_tool
        for published in (clock.local(event["published_at"]),)
    ]


async def _until_received(load: Child, room: str, child: Child) -> None:
    """Publish until the child's client has received something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        await load.ask("probe", room=room, index=-1, size=100)
        await asyncio.sleep(0.1)
        if child.module.endswith("bare"):
            if await child.ask("received"):
                return
        elif all((await child.ask("ready")).values()):
            return
    raise MeasurementFailed(f"{child.module}: nothing has arrived in {PATIENCE:g} s.")
