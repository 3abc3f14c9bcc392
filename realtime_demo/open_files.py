"""The limit of open files, which bounds the connections of a process."""

from __future__ import annotations

import sys

SPARE_FILES = 100  # open files that are not connections: the log, the database, Redis, …


def raise_open_files(connections: int) -> int:
    """Raise the limit of open files for `connections`; return how many can be open.

    A connection past that limit cannot be accepted, so it could not receive a 503 either.
    """
    if sys.platform == "win32":
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if resource.RLIM_INFINITY not in (soft, hard) and soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else min(connections, soft - SPARE_FILES)
