"""The figures of a run, and the limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from benchmarks.contestants import BASELINE, CONTESTANT
from benchmarks.fanout import Fanout, Load
from benchmarks.idle import IdleCost
from benchmarks.ledger import DeliveryLedger
from benchmarks.one_to_one import OneToOne
from benchmarks.polls import Polls
from benchmarks.stalled import Stalled

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


@dataclass(frozen=True)
class Limit:
    """A requirement, with the measured value."""

    requirement: str
    measured: str
    is_met: bool


@dataclass
class Results:
    """The figures of a run, in order of measurement."""

    fanout: list[Fanout] = field(default_factory=list)
    one_to_one: list[OneToOne] = field(default_factory=list)
    polls: list[Polls] = field(default_factory=list)
    idle: list[IdleCost] = field(default_factory=list)
    stalled: list[Stalled] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def fanout_of(self, contestant: str, load: str) -> Fanout | None:
        """Return the figures of one contestant under one load, if they are valid."""
        for run in self.fanout:
            if (run.contestant, run.load.name) == (contestant, load) and run.valid:
                return run
        return None

    @property
    def limits(self) -> list[Limit]:
        """The limits of this application. Those on costs apply to Uvicorn only."""
        every = (*self.fanout, *self.one_to_one, *self.idle, *self.stalled)
        runs = [run for run in every if CONTESTANT[run.contestant].is_ours]
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
        for run in self.idle:
            if CONTESTANT[run.contestant].is_default:
                prefix = f"{run.connections:,} idle, {run.contestant}: "
                requirement = f"{prefix}at most {MOST_THREADS} threads"
                limits.append(Limit(requirement, str(run.threads), run.threads <= MOST_THREADS))
                requirement = f"{prefix}under {MOST_RESIDENT / KIB:g} KiB each"
                resident = f"{run.resident / KIB:.1f} KiB"
                limits.append(Limit(requirement, resident, run.resident < MOST_RESIDENT))
        for stall in self.stalled:
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
            "fanout": [
                {
                    **asdict(run),
                    "valid": run.valid,
                    "cpu_ms_per_1000_deliveries": run.cost,
                    "deliveries_per_cpu_second": run.capacity,
                    "deliveries_per_second": run.deliveries / run.seconds,
                    "events_at_a_time": run.at_a_time,
                    "server_busy": run.server_busy,
                    "load_busy": run.load_cpu / run.seconds,
                }
                for run in self.fanout
            ],
            "one_to_one": [{**asdict(run), "valid": run.valid} for run in self.one_to_one],
            "empty_polls": [
                {**asdict(run), "cpu_ms_per_1000_polls": run.cost} for run in self.polls
            ],
            "idle": [{**asdict(run), "valid": run.valid} for run in self.idle],
            "stalled": [{**asdict(run), "valid": run.valid} for run in self.stalled],
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Results:
        """Return the results in `document`."""

        def restore(kind: type[Any], record: dict[str, Any]) -> Any:
            names = {each.name for each in fields(kind)}
            values = {name: value for name, value in record.items() if name in names}
            for name, nested in (("load", Load), ("ledger", DeliveryLedger)):
                if name in values:
                    values[name] = nested(**values[name])
            if "failures" in values:
                values["failures"] = tuple(values["failures"])
            return kind(**values)

        return cls(
            [restore(Fanout, record) for record in document["fanout"]],
            [restore(OneToOne, record) for record in document.get("one_to_one", [])],
            [restore(Polls, record) for record in document["empty_polls"]],
            [restore(IdleCost, record) for record in document["idle"]],
            [restore(Stalled, record) for record in document["stalled"]],
            document["errors"],
        )
