"""What a listening server needs of the operating system, and how it speaks of it."""

from __future__ import annotations

import errno
import logging
import os
import sys
from typing import Any

from twisted.internet.error import CannotListenError

BACKLOG = 4096  # connections waiting to be accepted; the system's own maximum cuts it
SPARE = 100  # open files that are not connections: the log, the database, Redis, …

logger = logging.getLogger("realtime_demo.server")


def open_files(connections: int) -> int:
    """How many of `connections` can be open at a time, having raised the limit of open files.

    Past that limit a connection could not be accepted, so not be refused with an answer either.
    """
    if sys.platform == "win32":
        return connections
    import resource

    wanted = connections + SPARE
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        return connections
    raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
        limit = raised
    except (OSError, ValueError):  # a system may have a lower limit than it says
        pass
    if limit < wanted:
        logger.warning("The system allows %d open files, so fewer connections", limit)
    return max(1, min(connections, limit - SPARE))


def url_of(port: Any, scheme: str) -> str:
    """Where a listening port is reached: `http://127.0.0.1:8000/` or `unix:/run/demo.sock`."""
    address = port.getHost()
    if hasattr(address, "port"):
        return f"{scheme}://{_authority(address.host, address.port)}/"
    return f"unix:{os.fsdecode(address.name)}"


def cannot_listen(error: CannotListenError) -> str:
    """What is wrong, in one line, and what to do about it."""
    if isinstance(error.port, int):
        place = _authority(error.interface or "0.0.0.0", error.port)
        advice = f"choose another port, {error.port + 1} for example"
    else:
        place, advice = f"unix:{os.fsdecode(error.port)}", "choose another path"
    cause = error.socketError  # an OSError; of a UNIX socket's lock file, a string
    if isinstance(cause, str) or getattr(cause, "errno", None) == errno.EADDRINUSE:
        return f"Cannot listen on {place}: it is already in use; {advice}."
    return f"Cannot listen on {place}: {getattr(cause, 'strerror', None) or cause}."


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
