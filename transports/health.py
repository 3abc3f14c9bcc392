"""`GET /healthz`: whether this process serves; with DEBUG, what it holds."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict
from typing import Any

from django.conf import settings

from . import feed
from .access import Receive, Scope, Send
from .endpoint import answer
from .events import encode


class HealthConsumer:
    """`{"status": "ok"}`; 503 and `"stopping"` once the process has begun to stop."""

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
