"""This machine, and what a process on it uses. CPU and memory are read from Linux's /proc;
elsewhere they are not known, and the figures say so."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("Django", "channels", "daphne", "twisted", "httpx", "websockets", "redis")


def cpu_seconds(pid: int) -> float | None:
    """CPU time that the process's threads have had, in seconds, to the nanosecond.

    The first field of /proc/<pid>/task/*/schedstat; /proc/<pid>/stat counts in ticks of 10 ms,
    which is more than a thousand deliveries may cost.
    """
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def resident_bytes(pid: int) -> int | None:
    """Memory of the process that is in RAM (VmRSS)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def cores() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment() -> dict[str, Any]:
    """Enough of the machine and its software to judge a figure by."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
