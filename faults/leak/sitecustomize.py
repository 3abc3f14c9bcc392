"""A leak of descriptors, for every Python process with this directory in PYTHONPATH.

The process leaks one descriptor for every `REALTIME_LEAK` accepted connections. It tests whether
the soak detects a leak.
"""

import os
import socket
from typing import Any


def _leak(every: int) -> None:
    accept, count = socket.socket.accept, 0

    def leaking(self: socket.socket) -> tuple[socket.socket, Any]:
        nonlocal count
        accepted = accept(self)
        count += 1
        if count % every == 0:
            os.open(os.devnull, os.O_RDONLY)
        return accepted

    socket.socket.accept = leaking  # type: ignore[method-assign]


if os.environ.get("REALTIME_LEAK"):
    _leak(int(os.environ["REALTIME_LEAK"]))
