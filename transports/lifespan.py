"""The ASGI lifespan: when the server stops, the feed ends, and so every open response."""

from __future__ import annotations

from . import feed
from .access import Receive, Scope, Send


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `startup` at once; at `shutdown` waits return, streams end, sockets close."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    feed.close()
    await send({"type": "lifespan.shutdown.complete"})
