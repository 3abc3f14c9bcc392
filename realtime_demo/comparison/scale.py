"""Processes, machines and Redis shards for a workload, and the limit that it meets first.

docs/theory.md, "To a million", derives the formulas. Costs of the servers come from `advice`, those
of Redis from a measurement of `benchmarks.cluster_cost`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from transports.registry import BY_NAME

from .advice import UTILISATION, Need, Option

REDIS = Path(__file__).with_name("redis_costs.json")
GIB = 2**30


@dataclass(frozen=True)
class RedisBasis:
    """CPU seconds of Redis: for a publish, for its copy to each process, and for a poll."""

    append: float
    copy: float
    read: float


@dataclass(frozen=True)
class Machine:
    """A machine's cores, bytes of memory, and bits a second of its network."""

    cores: int = 8
    memory: float = 32 * GIB
    network: float = 10e9

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in (self.cores, self.memory, self.network)):
            raise ValueError(_("--cores, --memory and --network must be finite and above 0."))


@dataclass(frozen=True)
class Scale:
    """A deployment for one technique.

    `needs` is the number of machines that each resource requires; the largest counts. `room_load`
    is the share of a core that a room takes of its shard; a room of `largest_room` clients would
    take `UTILISATION`.
    """

    processes: int
    machines: int
    needs: Mapping[str, float]
    publishes: float  # per second
    shards: int
    room_load: float
    largest_room: float

    @property
    def fits(self) -> bool:
        return self.room_load <= UTILISATION

    @property
    def scarcest(self) -> str:
        """The resource that requires most machines."""
        return max(self.needs, key=lambda name: self.needs[name])


def redis_basis(document: Mapping[str, Any]) -> RedisBasis:
    """Return the costs in a result of `benchmarks.cluster_cost`, on one master.

    Raises `KeyError`, `TypeError`, `ValueError`.
    """
    few, *_, many = sorted(
        (cost for cost in document["costs"] if cost["masters"] == 1),
        key=lambda cost: cost["processes"],
    )
    copy = (many["cpu_each"] - few["cpu_each"]) / (many["processes"] - few["processes"])
    return RedisBasis(few["cpu_each"] - few["processes"] * copy, copy, read=few["read_each"])


def load() -> RedisBasis:
    return redis_basis(json.loads(REDIS.read_text()))


def scale(
    need: Need, option: Option, rooms: int, machine: Machine, redis: RedisBasis
) -> Scale | None:
    """Return the deployment for `need` in `rooms` of equal size; None if a cost is unknown."""
    if rooms < 1 or option.cores is None or option.processes is None or option.memory is None:
        return None
    needs = {
        gettext_noop("cores"): option.cores / (UTILISATION * machine.cores),
        gettext_noop("memory"): option.memory / machine.memory,
        gettext_noop("network"): 8 * max(option.down, option.up) / (UTILISATION * machine.network),
    }
    # A load balancer ignores rooms: a room of many clients has some in each process.
    members = need.clients / rooms
    by_client = need.rate * redis.copy * option.processes / need.clients
    room_load = need.rate * (redis.append + redis.copy * min(option.processes, members))
    if BY_NAME[option.name].response_ends == "at once":  # a poll reads the history
        by_client = redis.read * option.requests / need.clients
        room_load = need.rate * redis.append + by_client * members
    return Scale(
        processes=option.processes,
        machines=max(1, math.ceil(max(needs.values()))),
        needs=needs,
        publishes=need.rate * rooms,
        shards=min(rooms, max(1, math.ceil(rooms * room_load / UTILISATION))),
        room_load=room_load,
        largest_room=max(0.0, UTILISATION - need.rate * redis.append) / by_client,
    )
