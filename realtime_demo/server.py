"""Uvicorn with this project's limits, and the command lines of the other ASGI servers.

python -m realtime_demo.server [Uvicorn's options]
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn.main
from uvicorn.config import LOGGING_CONFIG

from realtime_demo.open_files import SPARE_FILES, raise_open_files

APPLICATION = "realtime_demo.asgi:application"
BACKLOG = 4_096  # connections waiting to be accepted; the system's own maximum cuts it
GRACE = 5  # seconds until open responses are cancelled in a stop


def _uvicorn(host: str, port: int, uds: str) -> list[str]:
    listen = ["--uds", uds] if uds else ["--host", host, "--port", str(port)]
    return ["realtime_demo.server", "--log-level", "warning", *listen]


def _daphne(host: str, port: int, uds: str) -> list[str]:
    from django.conf import settings

    listen = ["-u", uds] if uds else ["-b", host, "-p", str(port)]
    # `--websocket-max-message-size` would limit what is sent too: a backlog would not arrive.
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


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` that nothing listens on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class WithoutSecrets(logging.Filter):
    """Removes query strings (cursors, names) and credentials from Uvicorn's log.

    A text frame that is not UTF-8 is the client's fault: it is logged without a traceback.
    """

    CREDENTIALS = frozenset({"authorization", "cookie", "sec-websocket-protocol"})

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
            record.exc_info = None
        if isinstance(record.args, tuple):
            texts = [
                each.partition("?")[0] if isinstance(each, str) else each for each in record.args
            ]
            if texts and str(texts[0]).lower() in self.CREDENTIALS:  # at level debug: "< %s: %s"
                texts[1:] = ["…"] * (len(texts) - 1)
            record.args = tuple(texts)
        return True


def options() -> dict[str, Any]:
    """Return this project's defaults for Uvicorn's options, from Django's settings."""
    from django.conf import settings

    return {
        "app": APPLICATION,
        "http": "realtime_demo.protocols:HttpProtocol",
        "ws": "realtime_demo.protocols:WebSocketProtocol",
        "ws_max_size": settings.BODY_SIZE,
        "ws_per_message_deflate": False,
        # Idle connections count too; past MAX_CONNECTIONS the application itself answers 503.
        "limit_concurrency": raise_open_files(settings.MAX_CONNECTIONS + SPARE_FILES),
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": GRACE,
        "access_log": False,
        "proxy_headers": False,  # BEHIND_PROXY: the application's own, on any server
        "server_header": False,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, with Uvicorn's command line over this project's defaults."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
    LOGGING_CONFIG["filters"] = {"without_secrets": {"()": "realtime_demo.server.WithoutSecrets"}}
    for handler in LOGGING_CONFIG["handlers"].values():
        handler["filters"] = ["without_secrets"]
    uvicorn.main.main(arguments, default_map=options(), prog_name="realtime_demo.server")


if __name__ == "__main__":
    main()
