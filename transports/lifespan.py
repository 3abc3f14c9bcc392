"""The feed as a `Service` of `transports.boundary`."""

from __future__ import annotations

from transports import hub


class FeedService:
    """Ends the feed before the server stops: waits return, streams end, sockets close."""

    async def start(self) -> None:
        """Make the hub, through which this process's synchronous code publishes."""
        hub.current()

    async def stop(self) -> None:
        await hub.current().leave()
