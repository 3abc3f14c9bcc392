"""What a run consists of: the steps, in order, each with a server of its own."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, replace

from benchmarks.contestants import BASELINE, CONTESTANT, CONTESTANTS, Contestant
from benchmarks.fanout import Load, fanout
from benchmarks.idle import idle
from benchmarks.polls import POLLERS, empty_polls
from benchmarks.results import HELD_LOAD, Results
from benchmarks.servers import OURS, OURS_ON_DAPHNE, Program, Server, running
from benchmarks.stalled import stalled

LOADS = (
    Load("100 at 20", subscribers=100, rate=20, events=50),
    Load(HELD_LOAD, subscribers=500, rate=10, events=25),
    Load("flat out", subscribers=500, rate=None, events=0),  # a contestant's own burst
)
SCENARIOS = ("fanout", "polls", "idle", "stalled")
IDLE = (BASELINE.name, "websocket", "streaming", "longpoll")
STALLED = ("streaming", "websocket")
NAMES = (*SCENARIOS, *CONTESTANT)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    share: float = 1.0  # of the events of a load
    polls: int = 4_000
    connections: int = 1_000
    unread: int = 4_000  # events of 6 kB


FULL = Size()
QUICK = Size(share=0.4, polls=800, connections=300, unread=2_000)


@dataclass(frozen=True)
class Step:
    """One thing to measure, on a server that runs for it alone."""

    label: str
    program: Program
    measure: Callable[[Server, Results], Awaitable[None]]

    async def run(self, results: Results, core: int | None) -> None:
        async with running(self.program, core) as server:
            await self.measure(server, results)


def steps(size: Size, only: Collection[str] = ()) -> Iterator[Step]:
    """All steps, or those of the scenarios and contestants in `only`, and of the baseline."""
    scenarios = {name for name in SCENARIOS if name in only} or set(SCENARIOS)
    chosen = {name for name in CONTESTANT if name in only} | {BASELINE.name}
    contestants = chosen if len(chosen) > 1 or BASELINE.name in only else set(CONTESTANT)
    if "fanout" in scenarios:
        for contestant in CONTESTANTS:
            if contestant.name in contestants:
                yield from _fanouts(contestant, size)
    if "polls" in scenarios and len(contestants) == len(CONTESTANT):
        for label in POLLERS:
            yield _polls(label, size)
    if "idle" in scenarios:
        for name in IDLE:
            if name in contestants:
                yield _idle(CONTESTANT[name], size)
    if "stalled" in scenarios:
        for name in STALLED:
            if name in contestants:
                for program in (OURS, OURS_ON_DAPHNE):
                    yield _stalled(replace(CONTESTANT[name], program=program), size)


def new_room() -> str:
    """One that nobody has published in: a history in Redis outlives the servers."""
    return f"benchmark-{secrets.token_hex(6)}"


def _fanouts(contestant: Contestant, size: Size) -> Iterator[Step]:
    async def measure(server: Server, results: Results) -> None:
        for load in LOADS:
            events = load.events or contestant.burst
            scaled = replace(load, events=max(2, round(events * size.share)))
            await server.settled()
            results.fanout.append(await fanout(server, contestant, scaled, new_room()))

    yield Step(f"{contestant.label}: deliveries", contestant.program, measure)


def _polls(label: str, size: Size) -> Step:
    async def measure(server: Server, results: Results) -> None:
        results.polls.append(await empty_polls(server, label, size.polls, new_room()))

    return Step(f"{label}: empty polls", POLLERS[label], measure)


def _idle(contestant: Contestant, size: Size) -> Step:
    async def measure(server: Server, results: Results) -> None:
        results.idle.append(await idle(server, contestant, size.connections, new_room()))

    return Step(f"{contestant.label}: idle connections", contestant.program, measure)


def _stalled(contestant: Contestant, size: Size) -> Step:
    async def measure(server: Server, results: Results) -> None:
        results.stalled.append(await stalled(server, contestant, size.unread, new_room()))

    server = "plain Daphne" if contestant.program is OURS_ON_DAPHNE else "this server"
    label = f"{contestant.label}: a client that never reads, {server}"
    return Step(label, contestant.program, measure)
