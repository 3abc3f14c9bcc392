"""The feed as a service of the server: it ends first, and so every open response."""

from __future__ import annotations

from django.conf import settings

from . import feed
from .presence import presence


class FeedService:
    """Starts with the server and ends before it: waits return, streams end, sockets close."""

    async def start(self) -> None:
        if settings.REDIS_URL:
            presence().start()  # to receive what the other processes report

    async def stop(self) -> None:
        await feed.leave()
