"""The figures of a run of the benchmarks: the limits, and the table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from rich.console import Console

from benchmarks import publishing
from benchmarks.contestants import BASELINE, CONTESTANT, CONTESTANTS, Contestant
from benchmarks.scenarios import Fanout, IdleCost, Load, OneToOne, Polls, Run, Stalled
from benchmarks.subscribers import DeliveryLedger
from realtime_demo.comparison.output.tables import Table
from realtime_demo.comparison.output.terminal import render

KIB = 1 << 10
MIB = 1 << 20

# The loads, by name.
STEADY_LOAD = "100 at 20/s"
LIMITED_LOAD = "500 at 10/s"  # the load with a limit
FLAT_OUT = "500 at full speed"
BURST = "burst to 100"
PUBLISH = "publishes"

# The table.
LATE = 1.2  # mean events received at a time, above which a fixed-rate figure is marked
TIMES = "\N{MULTIPLICATION SIGN}"
COLUMNS = (
    "",
    f"{STEADY_LOAD}, ms",
    f"{LIMITED_LOAD}, ms",
    TIMES,
    f"{FLAT_OUT}, /s",
    f"{BURST}, /s",
    f"{PUBLISH}, /s",
    "one to one, ms",
    "empty poll, ms",
    "idle, KiB",
    "unread, MiB",
)
CAPTION = (
    "ms: server CPU milliseconds per 1,000 deliveries (per 1,000 polls). /s: deliveries (publishes "
    f"to one subscriber) in a second of server CPU. {TIMES}: how many times cheaper than the "
    "tutorial. one to one: median time from a publish to the receipt by one subscriber. idle: "
    "resident memory for each idle connection. unread: growth of memory with a client that does "
    "not read. *: several events at a time, as at full speed and in a burst."
)

# Limits that a run must meet.
TIMES_BELOW = 4.0  # a WebSocket delivery takes at most a quarter of the tutorial's CPU time
MOST_THREADS = 6  # the main thread, one for synchronous code, and the four of libuv's pool
MOST_RESIDENT = 40 * KIB  # bytes for each idle stream or long poll
MOST_GROWTH = 8 * MIB  # bytes, with a client that never reads

# The kinds of runs, by their members of the JSON.
KINDS: dict[str, type[Run]] = {
    "fanout": Fanout,
    "one_to_one": OneToOne,
    "empty_polls": Polls,
    "idle": IdleCost,
    "stalled": Stalled,
}
R = TypeVar("R", bound=Run)


@dataclass(frozen=True)
class Limit:
    """A requirement, with the measured value."""

    requirement: str
    measured: str
    is_met: bool


@dataclass
class Results:
    """The figures of all runs, in order of measurement, and the errors that ended others."""

    runs: list[Run] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def of(self, kind: type[R]) -> list[R]:
        return [run for run in self.runs if isinstance(run, kind)]

    def fanout_of(self, contestant: str, load: str) -> Fanout | None:
        """Return the figures of one contestant under one load, if they are valid."""
        for run in self.of(Fanout):
            if (run.contestant, run.load.name) == (contestant, load) and run.valid:
                return run
        return None

    @property
    def limits(self) -> list[Limit]:
        """The limits of this application. Those on costs apply to Uvicorn only."""
        runs = [
            run
            for run in self.runs
            if CONTESTANT[run.contestant].is_ours and not isinstance(run, Polls)
        ]
        broken = [run for run in runs if not run.valid]
        valid = f"{len(runs) - len(broken)} of {len(runs)} runs"
        limits = [Limit("No delivery lost, duplicated or out of order", valid, not broken)]
        if self.errors:
            limits.append(Limit("Every step measured", "; ".join(self.errors), False))
        websocket, baseline = (
            self.fanout_of(n, LIMITED_LOAD) for n in ("websocket", BASELINE.name)
        )
        if websocket and baseline:
            times = baseline.cost / websocket.cost
            requirement = f"WebSocket, {LIMITED_LOAD}: {TIMES_BELOW:g} times below the tutorial"
            limits.append(Limit(requirement, f"{times:.1f} times", times >= TIMES_BELOW))
        for run in self.of(IdleCost):
            if CONTESTANT[run.contestant].is_default:
                prefix = f"{run.connections:,} idle, {run.contestant}: "
                requirement = f"{prefix}at most {MOST_THREADS} threads"
                limits.append(Limit(requirement, str(run.threads), run.threads <= MOST_THREADS))
                requirement = f"{prefix}under {MOST_RESIDENT / KIB:g} KiB each"
                resident = f"{run.resident / KIB:.1f} KiB"
                limits.append(Limit(requirement, resident, run.resident < MOST_RESIDENT))
        for stall in self.of(Stalled):
            if CONTESTANT[stall.contestant].is_default:
                requirement = f"A client that never reads, {stall.contestant}: under 8 MiB"
                growth = f"{stall.growth / MIB:.1f} MiB"
                limits.append(Limit(requirement, growth, stall.growth < MOST_GROWTH))
        return limits

    def document(self) -> dict[str, Any]:
        """Return the raw and the derived figures, as JSON."""
        return {
            "holds": [
                {"what": limit.requirement, "found": limit.measured, "held": limit.is_met}
                for limit in self.limits
            ],
            "errors": self.errors,
            **{name: [run.document() for run in self.of(kind)] for name, kind in KINDS.items()},
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Results:
        """Return the results in `document`."""

        def restore(kind: type[Run], record: dict[str, Any]) -> Run:
            names = {each.name for each in fields(kind)}
            values = {name: value for name, value in record.items() if name in names}
            for name, nested in (("load", Load), ("ledger", DeliveryLedger)):
                if name in values:
                    values[name] = nested(**values[name])
            values["failures"] = tuple(values.get("failures", ()))
            return kind(**{"ledger": DeliveryLedger(), **values})

        runs = [
            restore(kind, record)
            for name, kind in KINDS.items()
            for record in document.get(name, ())
        ]
        return cls(runs, document["errors"])


# --- The table --------------------------------------------------------------------------


def show(results: Results, console: Console) -> None:
    """Print the table and the limits."""
    table = Table("What a delivery costs", COLUMNS, notes=[CAPTION])
    for row in rows(results):
        table.add(*row)
    console.print(render(console, table))
    for limit in results.limits:
        mark = "[green]met[/green]    " if limit.is_met else "[bold red]NOT MET[/bold red]"
        console.print(f"{mark}  {limit.requirement}  [bold]{limit.measured}[/bold]")


def markdown(results: Results) -> str:
    """Return the table in Markdown, with its caption."""
    return f"{publishing.markdown(COLUMNS, rows(results))}\n{CAPTION}\n"


def rows(results: Results) -> Iterable[tuple[str, ...]]:
    """Return a row of strings for each measured contestant."""
    measured = {run.contestant for run in results.runs}
    return [_row(results, each) for each in CONTESTANTS if each.name in measured]


def _row(results: Results, contestant: Contestant) -> tuple[str, ...]:
    own = Results([run for run in results.runs if run.contestant == contestant.name])
    loads = {run.load.name: run for run in own.of(Fanout)}
    return (
        contestant.label,
        _cost(loads.get(STEADY_LOAD)),
        _cost(loads.get(LIMITED_LOAD)),
        _times(results, contestant),
        *(_capacity(loads.get(name)) for name in (FLAT_OUT, BURST, PUBLISH)),
        "".join(_problem(run) or f"{run.median * 1000:.2f}" for run in own.of(OneToOne)),
        "".join(f"{run.cost:.0f}" for run in own.of(Polls)),
        "".join(_problem(run) or f"{run.resident / KIB:.1f}" for run in own.of(IdleCost)),
        "".join(_problem(run) or f"{run.growth / MIB:.1f}" for run in own.of(Stalled)),
    )


def _cost(run: Fanout | None) -> str:
    if run is None:
        return ""
    return _problem(run) or f"{run.cost:.1f}{' *' if run.at_a_time > LATE else ''}"


def _capacity(run: Fanout | None) -> str:
    return "" if run is None else _problem(run) or f"{run.capacity:,.0f}"


def _times(results: Results, contestant: Contestant) -> str:
    run, baseline = (results.fanout_of(each.name, LIMITED_LOAD) for each in (contestant, BASELINE))
    return f"{baseline.cost / run.cost:.1f}" if run and baseline and run is not baseline else ""


def _problem(run: Run) -> str:
    """Return why the run is invalid, briefly; empty if it is valid."""
    ledger = run.ledger
    if ledger.lost:
        return f"{ledger.lost:,} of {ledger.expected:,} lost"
    return "" if run.valid else run.failures[0] if run.failures else str(ledger)
