"""A steady feed, and what became of each of its publishes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from dataclasses import dataclass, field

import httpx

from transports.events import Cursor, Event

PATIENCE = 15.0  # seconds for one answer
RETRY = 0.25  # seconds before a publish is tried again
GIVE_UP = 60.0  # seconds after which one that insists is given up
SENDER = "feed"


@dataclass
class Publisher:
    """Publishes texts 0, 1, 2 … `rate` times a second by the clock, however the server fares.

    Every other one is tried again until it is acknowledged, under one `Idempotency-Key`; the
    rest are given up when they are refused, and may be in the feed or not. `acknowledged` has
    the events that were answered 201, and `begun` when each was first tried, both by their text;
    only where `keep` is said.
    """

    url: str
    room: str
    rate: float
    tls: ssl.SSLContext | None = None
    keep: bool = True
    headers: dict[str, str] = field(default_factory=dict)  # who publishes
    acknowledged: dict[str, Event] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)  # when, on the loop's clock, by text
    tried: int = 0  # texts
    answered: int = 0  # 201
    refused: int = 0  # attempts that were answered otherwise, or not at all
    insisted: int = 0  # of those, how many were made again
    stopped: bool = False

    async def run(self) -> None:
        """Until `stop`; returns when nothing is under way any more."""
        loop = asyncio.get_running_loop()
        async with self._client() as http, asyncio.TaskGroup() as group:
            start, number = loop.time(), 0
            while not self.stopped:
                group.create_task(self._publish(http))
                number += 1
                await asyncio.sleep(start + number / self.rate - loop.time())

    async def burst(self, count: int) -> None:
        """Publish `count` more at once; returns when each is acknowledged or given up."""
        async with self._client() as http, asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._publish(http))

    def stop(self) -> None:
        self.stopped = True

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, verify=self.tls or False, timeout=PATIENCE, headers=self.headers
        )

    async def _publish(self, http: httpx.AsyncClient) -> None:
        text, self.tried = str(self.tried), self.tried + 1
        insists = self.tried % 2 == 0
        headers = {"Idempotency-Key": uuid.uuid4().hex} if insists else {}
        if self.keep:
            self.begun[text] = asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP):
                while not await self._attempt(http, text, headers):
                    self.refused += 1
                    if not insists:
                        return
                    self.insisted += 1
                    await asyncio.sleep(RETRY)

    async def _attempt(self, http: httpx.AsyncClient, text: str, headers: dict[str, str]) -> bool:
        document = {"sender": SENDER, "text": text}
        try:
            answer = await http.post(f"/publish/{self.room}/", json=document, headers=headers)
        except httpx.TransportError:
            return False
        if answer.status_code != 201:
            return False
        self.answered += 1
        if self.keep:
            self.acknowledged[text] = Event.from_document(answer.json())
        return True


async def place(http: httpx.AsyncClient, room: str) -> Cursor:
    """The place where the room's feed is now."""
    answer = await http.get(f"/polling/{room}/")
    answer.raise_for_status()
    return Cursor.parse(answer.json()["cursor"])
