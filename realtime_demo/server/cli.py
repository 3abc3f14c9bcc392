"""The ways to start the server: a command line of Daphne's options, and a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import daphne.cli
from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings

from realtime_demo.server.core import Server
from realtime_demo.server.lifespan import Application


def limits() -> dict[str, Any]:
    """The limits in Django's settings, as options of `Server`."""
    return {
        "max_connections": settings.MAX_CONNECTIONS,
        "body_size": settings.BODY_SIZE,
    }


def serve(
    application: Application,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    on_ready: Callable[[str], None] | None = None,
) -> int:
    """Serve in this process until SIGTERM or SIGINT; return an exit code.

    `on_ready` is called in the event loop with the URL, once the server listens: with port 0
    this is how to learn the port. The code is 1, and the reason logged,
    if it never did. Call it once in a process, in the main thread.
    """
    endpoints = build_endpoint_description_strings(host=host, port=port)
    server = Server(application, endpoints, **limits())
    if on_ready:
        server.ready_callable = lambda: on_ready(server.urls[0])
    server.run()
    return 1 if server.abort_start else 0


class CommandLineInterface(daphne.cli.CommandLineInterface):  # type: ignore[misc]
    """Daphne's command line. Sockets have no time limit, and the access log is off."""

    description = "ASGI server: Daphne with back-pressure, limits and an orderly stop"

    def run(self, args: list[str]) -> None:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
        self.parser.prog = "python -m realtime_demo.server"
        self.parser.set_defaults(
            websocket_timeout=-1,
            websocket_max_message_size=settings.BODY_SIZE,
            websocket_max_frame_size=settings.BODY_SIZE,
        )
        self._access_log = self.parser.parse_args(args).access_log
        super().run(args)

    def server_class(self, **options: Any) -> Server:
        if not self._access_log:  # Daphne takes an ordinary verbosity for a wish
            options["action_logger"] = None
        return Server(**limits(), **options)
