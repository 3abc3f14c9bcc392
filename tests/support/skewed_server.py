"""The application on a host whose clock is five seconds ahead."""

from __future__ import annotations

from realtime_demo.asgi import application as application
from transports.store import base as history

AHEAD = 5.0  # seconds
real_now = history.now


def now() -> float:
    return real_now() + AHEAD


history.now = now
