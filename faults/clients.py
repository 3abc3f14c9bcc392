"""The project's own clients, each with a ledger."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

from transports import client
from transports.events import Cursor, Event
from transports.registry import Technique

from .ledger import ClientLedger

POLLING_INTERVAL = 1.0  # seconds


def trust(certificate: Path) -> None:
    """Let every client of this process trust a deployment's self-signed certificate."""
    os.environ["SSL_CERT_FILE"] = str(certificate)
    client.default_tls.cache_clear()


class Follower:
    """A client of one technique that receives events after `since` until it is cancelled.

    With `keep`, `arrivals` are its events in order of arrival, with the event loop's time in
    seconds.
    """

    def __init__(
        self,
        technique: Technique,
        url: str,
        room: str,
        since: Cursor,
        *,
        keep: bool = True,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.technique = technique
        self.url = url
        self.room = room
        self.ledger = ClientLedger(since)
        self.arrivals: list[tuple[float, Event]] = []
        self._keep = keep
        self._headers = headers

    @property
    def position(self) -> Cursor:
        return self.ledger.position

    async def follow(self) -> None:
        options: dict[str, Any] = {"headers": self._headers} if self._headers else {}
        if self.technique.response_ends == "at once":
            options["interval"] = POLLING_INTERVAL
        events: Any = self.technique.events(self.url, self.room, str(self.position), **options)
        clock = asyncio.get_running_loop()
        async with aclosing(events):
            async for event in events:
                self.ledger.take(event)
                if self._keep:
                    self.arrivals.append((clock.time(), event))
