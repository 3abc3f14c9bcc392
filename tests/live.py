"""A real server in a process of its own, for tests that speak to it over a socket."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Mapping

from .program import Program
from .waiting import BOUND

OURS = "realtime_demo.asgi:application"
LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)/")


class LiveServer(Program):
    """`python -m realtime_demo.server --port 0 [arguments] <application>`, while the block lasts.

    Leaving the block stops the server with SIGTERM. The project's own application may leave no
    traceback (in an `outage`, libraries may).
    """

    def __init__(
        self,
        application: str = OURS,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stop_timeout: float = 15,
        outage: bool = False,
    ) -> None:
        command = [sys.executable, "-m", "realtime_demo.server", "--port", "0"]
        super().__init__(
            [*command, *arguments, application],
            LISTENING,
            env or {},
            signal_number=signal.SIGTERM,
            start=BOUND,
            stop=stop_timeout,
            spotless=application == OURS and not outage,
        )

    def started(self, said: re.Match[str]) -> None:
        self.port = int(said[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
