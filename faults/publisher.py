"""A steady feed, and what became of each of its publishes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from transports.cursors import Cursor
from transports.events import Event

PATIENCE = 15.0  # seconds for one answer
RETRY = 0.25  # seconds between attempts at least
SENDER = "feed"


@dataclass
class Publisher:
    """Publishes texts 0, 1, 2 … `rate` times a second by the clock, however the server fares."""

    url: str
    room: str
    rate: float
    tls: ssl.SSLContext | None = None
    acknowledged: dict[str, Event] = field(default_factory=dict)  # by their text
    count: int = 0  # texts that were tried
    answered: int = 0  # 201
    refused: int = 0  # answered 503, 502 or 429, or not at all
    on_event: Callable[[Event], None] | None = None
    keep: bool = True

    async def run(self) -> None:
        """Until it is cancelled; publishes that are on their way are then given up."""
        loop = asyncio.get_running_loop()
        async with self.client() as http, asyncio.TaskGroup() as group:
            start = loop.time()
            while True:
                await asyncio.sleep(start + self.count / self.rate - loop.time())
                group.create_task(self._publish(http, str(self.count)))
                self.count += 1

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, verify=self.tls or False, timeout=PATIENCE)

    async def _publish(self, http: httpx.AsyncClient, text: str) -> None:
        document = {"sender": SENDER, "text": text}
        try:
            answer = await http.post(f"/publish/{self.room}/", json=document)
        except httpx.TransportError:
            self.refused += 1
            return
        if answer.status_code != 201:
            self.refused += 1
            return
        self.answered += 1
        event = Event.from_document(answer.json())
        if self.keep:
            self.acknowledged[text] = event
        if self.on_event is not None:
            self.on_event(event)


async def place(http: httpx.AsyncClient, room: str) -> Cursor:
    """The place where the room's feed is now."""
    answer = await http.get(f"/polling/{room}/")
    answer.raise_for_status()
    return Cursor.parse(answer.json()["cursor"])
