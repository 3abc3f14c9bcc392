"""The audience: the project's own clients, each with a ledger."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

from transports import client
from transports.events import Cursor, Event
from transports.registry import Technique

from .ledger import Ledger

POLLING_INTERVAL = 1.0  # seconds


def trust(certificate: Path) -> None:
    """Let every client of this process take the certificate that was made for a deployment."""
    os.environ["SSL_CERT_FILE"] = str(certificate)
    client._tls.cache_clear()


class Follower:
    """One client of one technique, from `since` on, until it is cancelled.

    `arrivals` are the events in the order in which they came, with the loop's time in
    seconds; kept only where `keep` is said.
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
        self.ledger = Ledger(since)
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
