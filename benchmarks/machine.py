"""This machine: one core for the server, another for the load, and files for all connections."""

from __future__ import annotations

import os
import resource


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


def allow_open_files(count: int) -> None:
    """Raise the limit of open files, here and for servers started from here, to `count`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
