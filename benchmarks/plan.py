"""The steps of a run, in order, each with its own server."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from benchmarks.contestants import (
    BASELINE,
    CONTESTANT,
    CONTESTANTS,
    IDLE,
    SCENARIOS,
    STALLED,
    Contestant,
)
from benchmarks.results import BURST, FLAT_OUT, LIMITED_LOAD, PUBLISH, STEADY_LOAD, Results
from benchmarks.scenarios import Load, empty_polls, fanout, idle, one_to_one, stalled
from benchmarks.servers import OURS, Server, running

LOADS = (
    Load(STEADY_LOAD, subscribers=100, rate=20, events=50),
    Load(LIMITED_LOAD, subscribers=500, rate=10, events=25),
    Load(FLAT_OUT, subscribers=500, rate=None, events=0),  # 0: the contestant's `burst`
    Load(BURST, subscribers=100, rate=None, events=300),
    Load(PUBLISH, subscribers=1, rate=None, events=900),
)
NAMES = (*SCENARIOS, *OURS, *CONTESTANT)


@dataclass(frozen=True)
class Size:
    """The extent of a run: amounts, loads and contestants."""

    share: float = 1.0  # of a load's events
    # Events of the one publisher to the one subscriber: below Hypercorn's 1,000 requests on one
    # connection (`keep_alive_max_requests`).
    exchanges: int = 900
    polls: int = 4_000
    connections: int = 1_000
    unread: int = 4_000  # events of 6 kB, for the client that does not read
    loads: tuple[Load, ...] = LOADS
    contestants: tuple[str, ...] = tuple(CONTESTANT)
    memory_of: tuple[str, ...] = tuple(CONTESTANT)  # contestants in the memory scenarios


FULL = Size()
QUICK = Size(
    share=0.3,
    exchanges=200,
    polls=400,
    connections=300,
    unread=1_000,
    loads=tuple(replace(load, warm_up=3) for load in LOADS if load.name in (LIMITED_LOAD, BURST)),
    contestants=(
        *(BASELINE.name, "eventstream", "socketio", "websocket", "sse", "longpoll", "polling"),
        *(f"websocket-{server}" for server in OURS if server != "uvicorn"),
    ),
    memory_of=("websocket",),
)


@dataclass(frozen=True)
class Step:
    """One scenario of one contestant, on its own server."""

    contestant: Contestant
    scenario: str
    size: Size

    @property
    def label(self) -> str:
        return f"{self.contestant.label}: {self.scenario}"

    async def run(self, results: Results, core: int | None) -> None:
        """Add the figures to `results`, or the error that ended the step."""
        async with running(self.contestant.program, core) as server:
            try:
                await self._measure(server, results)
            except Exception as error:
                results.errors.append(f"{self.label}: {error!r}")

    async def _measure(self, server: Server, results: Results) -> None:
        contestant, size, runs = self.contestant, self.size, results.runs
        match self.scenario:
            case "fanout":
                for load in size.loads:
                    events = max(2, round((load.events or contestant.burst) * size.share))
                    await server.settled()
                    load = replace(load, events=events)
                    runs.append(await fanout(server, contestant, load, new_room()))
            case "one-to-one":
                runs.append(await one_to_one(server, contestant, size.exchanges, new_room()))
            case "polls":
                runs.append(await empty_polls(server, contestant, size.polls, new_room()))
            case "idle":
                runs.append(await idle(server, contestant, size.connections, new_room()))
            case "stalled":
                runs.append(await stalled(server, contestant, size.unread, new_room()))


def steps(size: Size, only: Collection[str] = ()) -> Iterator[Step]:
    """Yield all steps, or those of the scenarios, contestants and servers in `only`.

    The baseline is always included.
    """
    scenarios = [name for name in SCENARIOS if name in only] or SCENARIOS
    chosen = [
        contestant
        for contestant in CONTESTANTS
        if contestant.name in only or contestant.program.server in only
    ] or [CONTESTANT[name] for name in size.contestants]
    for scenario in scenarios:
        for contestant in CONTESTANTS:
            if scenario not in contestant.scenarios:
                continue
            if scenario in (IDLE, STALLED) and contestant.name not in size.memory_of:
                continue
            if contestant in chosen or contestant is BASELINE:
                yield Step(contestant, scenario, size)


def new_room() -> str:
    """Return the name of a new room: a history in Redis outlives the servers."""
    return f"benchmark-{secrets.token_hex(6)}"
