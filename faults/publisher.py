"""A publisher at a fixed rate, with the result of each publish."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from dataclasses import dataclass, field

import httpx

from transports.events import Cursor, Event

PATIENCE = 15.0  # seconds for one answer
RETRY = 0.25  # seconds between attempts of a publish
GIVE_UP = 60.0  # seconds after which a publish is not attempted again
SENDER = "feed"


@dataclass
class RetryingPublisher:
    """A publisher of the texts 0, 1, 2 … at `rate` a second, independent of the server's state.

    An odd text has an `Idempotency-Key`, and is attempted until it is answered 201. An even text
    is attempted once: if that fails, it may be in the feed or not. With `keep`, `acknowledged` has
    the published events, and `first_attempts` the event loop's time of each first attempt, both
    by text.
    """

    url: str
    room: str
    rate: float
    tls: ssl.SSLContext | None = None
    keep: bool = True
    headers: dict[str, str] = field(default_factory=dict)  # of every request, such as a token
    acknowledged: dict[str, Event] = field(default_factory=dict)
    first_attempts: dict[str, float] = field(default_factory=dict)
    attempted: int = 0  # texts
    answered: int = 0  # texts answered 201
    failed: int = 0  # attempts without 201
    retried: int = 0  # failed attempts that were followed by another
    stopped: bool = False

    async def run(self) -> None:
        """Publish until `stop`; return when every publish has ended."""
        loop = asyncio.get_running_loop()
        async with self._client() as http, asyncio.TaskGroup() as group:
            start, number = loop.time(), 0
            while not self.stopped:
                group.create_task(self._publish(http))
                number += 1
                await asyncio.sleep(start + number / self.rate - loop.time())

    async def burst(self, count: int) -> None:
        """Publish `count` events at once; return when every publish has ended."""
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
        text, self.attempted = str(self.attempted), self.attempted + 1
        retries = self.attempted % 2 == 0
        headers = {"Idempotency-Key": uuid.uuid4().hex} if retries else {}
        if self.keep:
            self.first_attempts[text] = asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP):
                while not await self._attempt(http, text, headers):
                    self.failed += 1
                    if not retries:
                        return
                    self.retried += 1
                    await asyncio.sleep(RETRY)

    async def _attempt(self, http: httpx.AsyncClient, text: str, headers: dict[str, str]) -> bool:
        document = {"sender": SENDER, "text": text}
        try:
            response = await http.post(f"/publish/{self.room}/", json=document, headers=headers)
        except httpx.TransportError:
            return False
        if response.status_code != 201:
            return False
        self.answered += 1
        if self.keep:
            self.acknowledged[text] = Event.from_document(response.json())
        return True


async def current_cursor(http: httpx.AsyncClient, room: str) -> Cursor:
    """Return the cursor of the room's latest event."""
    response = await http.get(f"/polling/{room}/")
    response.raise_for_status()
    return Cursor.parse(response.json()["cursor"])
