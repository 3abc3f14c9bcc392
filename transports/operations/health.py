"""Whether this process serves: `/healthz` is about the process alone, `/readyz` about its feed.

A process whose Redis is away is alive: to start it again would cut every connection that waits
for Redis to come back. It is not ready: a balancer may rather ask another.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict
from typing import Any

from django.conf import settings

from transports import feed
from transports.events import encode
from transports.http.base import answer
from transports.http.scope import Receive, Scope, Send
from transports.store.base import HistoryUnavailable

PATIENCE = 2.0  # seconds in which the history has to answer


class HealthEndpoint:
    """`GET /healthz`: `{"status": "ok"}`; 503 and `"stopping"` once the process begins to stop.

    With DEBUG also what the process holds.
    """

    @classmethod
    def as_asgi(cls) -> Any:
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub = feed.hub()
        document: dict[str, Any] = {"status": "stopping" if hub.closing else "ok"}
        if settings.DEBUG:
            document |= {
                "users": hub.users,
                "rooms": hub.rooms,
                "tasks": len(asyncio.all_tasks()),
                "threads": threading.active_count(),
                **asdict(hub.statistics),
            }
        await answer(send, 503 if hub.closing else 200, b"application/json", encode(document))


class ReadinessEndpoint:
    """`GET /readyz`: as `/healthz`; 503 and `"unavailable"` too where the history is away."""

    @classmethod
    def as_asgi(cls) -> Any:
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hub = feed.hub()
        status = "stopping" if hub.closing else "ok"
        try:
            async with asyncio.timeout(PATIENCE):
                await hub.history.heads([])
        except (HistoryUnavailable, TimeoutError):
            status = "unavailable"
        ready = status == "ok"
        headers = [] if ready else [(b"retry-after", b"1")]
        body = encode({"status": status})
        await answer(send, 200 if ready else 503, b"application/json", body, headers)
