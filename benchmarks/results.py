"""The figures of a run of the benchmarks, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from benchmarks.contestants import BASELINE, CONTESTANT
from benchmarks.scenarios import Fanout, IdleCost, Load, OneToOne, Polls, Run, Stalled
from benchmarks.subscribers import DeliveryLedger

KIB = 1 << 10
MIB = 1 << 20

# The loads, by name.
STEADY_LOAD = "100 at 20/s"
LIMITED_LOAD = "500 at 10/s"  # the load with a limit
FLAT_OUT = "500 flat out"
BURST = "burst to 100"
PUBLISH = "publishes"

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
