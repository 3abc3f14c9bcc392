"""The lane of an exercise on the demo's page. Independent of Django: the settings import it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from transports.registry import OWN, Technique

PREFIX = "exercise"  # of the addresses: an exercise may use the address of a technique


def lane_of(name: str) -> tuple[Technique, dict[str, Any]]:
    """Return the technique that the exercise `name` is like, and the members that differ."""
    file = Path(__file__).parent / "exercises" / name / "exercise.toml"
    lane = tomllib.loads(file.read_text())["lane"]
    like = lane.pop("like")
    return next(technique for technique in OWN if technique.name == like), lane


def technique(name: str) -> Technique:
    """Return the technique of the exercise `name`, for the package `lane` in its folder."""
    like, lane = lane_of(name)
    lane["path"] = f"/{PREFIX}/{lane['path']}/{{room}}/"
    return replace(
        like,
        name=f"exercise-{name}",
        label=f"exercises/{name}",
        client="lane.client:events",
        colour=("#F0E442", "#7A6F00"),
        caveats=(),
        heartbeat="",
        **lane,
    )
