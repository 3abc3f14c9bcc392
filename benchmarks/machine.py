"""This machine's cores: one for the server, another for the load."""

from __future__ import annotations

import os


def cores() -> tuple[int | None, int | None]:
    """A core for the server and one for the load; None where processes cannot be bound."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    return (available[-1], available[0]) if len(available) > 1 else (None, None)


def bind(pid: int, core: int | None) -> None:
    """Let the process, 0 for this one, run on `core` alone."""
    if core is not None:
        os.sched_setaffinity(pid, {core})
