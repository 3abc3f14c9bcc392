"""A real server in a process of its own, for tests over a socket."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Mapping

from realtime_demo.asgi_servers import APPLICATION, command
from realtime_demo.ports import free_port

from .program import HttpProgram
from .waiting import BOUND

SERVER = os.environ.get("SERVER", "uvicorn")
SERVER_ENVIRONMENT = {"DEBUG": "1", "REDIS_URL": "", "HEARTBEAT": "15"}


class LiveServer(HttpProgram):
    """An ASGI server, `server`, with `application`, while the block lasts.

    `arguments` are added to its command line. Leaving the block stops the server with SIGTERM.
    With `verify` the requests use TLS. The project's own application on Uvicorn may leave no
    traceback (in an `outage`, libraries may; the other servers log their own).
    """

    def __init__(
        self,
        application: str = APPLICATION,
        *arguments: str,
        server: str = SERVER,
        port: int = 0,
        env: Mapping[str, str] | None = None,
        stop_timeout: float = 15,
        outage: bool = False,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port or free_port()
        self.verify = verify
        self.url = (
            f"http://127.0.0.1:{self.port}" if verify is None else f"https://localhost:{self.port}"
        )
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        super().__init__(
            [*command(server, application=application, port=self.port), *arguments],
            None,
            env or {},
            signal_number=signal.SIGTERM,
            start=BOUND,
            stop=stop_timeout,
            spotless=application == APPLICATION and server == "uvicorn" and not outage,
        )
