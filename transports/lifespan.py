"""The ASGI lifespan: when the server stops, the feed ends, and so does every open response."""

from __future__ import annotations

from transports import hub
from transports.http.scope import Receive, Scope, Send


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `startup` at once; at `shutdown` waits return, streams end, sockets close."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await hub.current().leave()
    await send({"type": "lifespan.shutdown.complete"})
