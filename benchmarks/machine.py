"""This machine's cores: one for the server, another for the load."""

from __future__ import annotations

import os


def cores() -> tuple[int | None, int | None]:
    """Return a core for the server and one for the load; None if processes cannot be bound."""
    if not hasattr(os, "sched_setaffinity"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    return (available[-1], available[0]) if len(available) > 1 else (None, None)


def bind(pid: int, core: int | None) -> None:
    """Bind the process (0: this one) to `core`."""
    if core is not None:
        os.sched_setaffinity(pid, {core})
