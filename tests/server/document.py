"""The generated part of `docs/servers.md`: the figures of a run, and the table of deviations."""

from __future__ import annotations

from typing import Any

from benchmarks.publishing import provenance
from benchmarks.results import BURST, KIB, LIMITED_LOAD, MIB, Results
from benchmarks.scenarios import IdleCost, Polls, Stalled
from realtime_demo.asgi_servers import SERVERS

from .deviations import DEVIATIONS

TECHNIQUES = ("websocket", "sse", "longpoll")
MISSING = "n/a"


def contestant(technique: str, server: str) -> str:
    """Return the name in `benchmarks` of a technique on a server."""
    return technique if server == "uvicorn" else f"{technique}-{server}"


def part(measured: dict[str, Any]) -> str:
    """Return the part of the document that shows `measured`."""
    results = Results.from_document(measured["benchmarks"])
    return "\n".join([provenance(measured), _figures(measured, results), "", _deviations(), ""])


def _figures(measured: dict[str, Any], results: Results) -> str:
    idle = {run.contestant: run for run in results.of(IdleCost) if run.valid}
    stalled = {run.contestant: run for run in results.of(Stalled) if run.valid}
    polls = {run.contestant: run for run in results.of(Polls)}

    def cost(name: str) -> str:
        run = results.fanout_of(name, LIMITED_LOAD)
        return f"{run.cost:.1f}" if run else MISSING

    def burst(name: str) -> str:
        run = results.fanout_of(name, BURST)
        return f"{run.capacity:,.0f}" if run else MISSING

    def poll(name: str) -> str:
        return f"{polls[name].cost:.0f}" if name in polls else MISSING

    def memory(name: str) -> str:
        return f"{idle[name].resident / KIB:.0f}" if name in idle else MISSING

    def growth(name: str) -> str:
        return f"{stalled[name].growth / MIB:.1f}" if name in stalled else MISSING

    rows = []
    for server in SERVERS:
        names = [contestant(technique, server) for technique in TECHNIQUES]
        suite = measured["suite"].get(server)
        stop = measured["stop"].get(server)
        rows.append(
            [
                f"{server.capitalize()} {measured['versions'].get(server, '')}",
                f"{suite['passed']:,} / {suite['expected_failures']}" if suite else MISSING,
                " · ".join(map(cost, names)),
                " · ".join(map(burst, names)),
                poll(contestant("polling", server)),
                " · ".join(map(memory, names)),
                " · ".join(map(growth, names[:2])),
                f"{stop:.1f}" if stop is not None else MISSING,
            ]
        )
    head = [
        "",
        "suite: passed / expected failures",
        f"CPU ms per 1,000 deliveries, {LIMITED_LOAD}: WebSocket · SSE · long poll",
        f"{BURST}: deliveries in a second of CPU: WebSocket · SSE · long poll",
        "CPU ms per 1,000 empty polls",
        "KiB for each idle connection: WebSocket · SSE · long poll",
        "MiB of growth with a client that does not read: WebSocket · SSE",
        "seconds to stop with every kind of connection open",
    ]
    return _table(head, rows)


def _deviations() -> str:
    rows = [
        [deviation.server.capitalize(), deviation.reason, f"[link]({deviation.link})"]
        for deviation in DEVIATIONS
    ]
    return _table(["server", "cannot", ""], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
