"""The ASGI lifespan: when the server stops, the feed ends, and so every open response."""

from __future__ import annotations

from django.conf import settings

from transports import feed
from transports.http.scope import Receive, Scope, Send
from transports.presence.service import presence


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `startup` at once; at `shutdown` waits return, streams end, sockets close."""
    await receive()
    if settings.REDIS_URL:
        presence().start()  # so that the other processes hear from this one
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await feed.leave()
    await send({"type": "lifespan.shutdown.complete"})
