"""The four ASGI servers that run this project: their command lines and limits."""

from __future__ import annotations

import sys
from collections.abc import Callable

APPLICATION = "realtime_demo.asgi:application"
BACKLOG = 4_096  # connections waiting to be accepted; the system may lower it
SPARE_FILES = 100  # open files that are not connections: the log, the database, Redis, …
GRACE = 5  # seconds that open responses may take to end when the server stops


def _uvicorn(host: str, port: int, uds: str) -> list[str]:
    listen = ["--uds", uds] if uds else ["--host", host, "--port", str(port)]
    return ["realtime_demo.server", "--log-level", "warning", *listen]


def _daphne(host: str, port: int, uds: str) -> list[str]:
    from django.conf import settings

    listen = ["-u", uds] if uds else ["-b", host, "-p", str(port)]
    # `--websocket-max-message-size` also limits sent messages: a backlog would not arrive.
    limits = ["--websocket-max-frame-size", str(settings.BODY_SIZE)]
    # By default, Daphne closes a socket after a day, and logs query strings.
    return ["daphne", *listen, *limits, "--websocket_timeout", "-1", "-v", "0"]


def _hypercorn(host: str, port: int, uds: str) -> list[str]:
    address = f"unix:{uds}" if uds else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ["hypercorn", "--bind", address, "-w", "0", "--graceful-timeout", str(GRACE)]


def _granian(host: str, port: int, uds: str) -> list[str]:
    listen = ["--uds", uds] if uds else ["--host", host, "--port", str(port)]
    backlog = ["--backlog", str(BACKLOG), "--backpressure", str(BACKLOG)]
    return ["granian", "--interface", "asgi", *listen, *backlog]


# The arguments of `python -m` for each server, by the value of the setting SERVER.
SERVERS: dict[str, Callable[[str, int, str], list[str]]] = {
    "uvicorn": _uvicorn,
    "daphne": _daphne,
    "hypercorn": _hypercorn,
    "granian": _granian,
}


def command(
    name: str,
    *,
    application: str = APPLICATION,
    host: str = "127.0.0.1",
    port: int = 8000,
    uds: str = "",
) -> list[str]:
    """Return the command line of server `name`, listening on `host` and `port`, or on `uds`.

    Raises `ValueError` for an unknown name.
    """
    if name not in SERVERS:
        raise ValueError(f"SERVER must be one of {', '.join(SERVERS)}; got {name!r}.")
    return [sys.executable, "-m", *SERVERS[name](host, port, uds), application]


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
