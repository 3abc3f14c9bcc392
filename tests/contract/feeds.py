"""Helpers of the contract tests: publishing to a feed, and collecting its events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from transports.client import BackOff
from transports.events import Event
from transports.registry import TECHNIQUES, Technique

BOUND = 60.0  # seconds a test waits for events


async def publish(http: httpx.AsyncClient, room: str, texts: Iterable[str]) -> list[Event]:
    """Publish the texts one after another; return the events of the responses."""
    events = []
    for text in texts:
        response = await http.post(f"/publish/{room}/", json={"sender": "ada", "text": text})
        assert response.status_code == 201, response.text
        events.append(Event.from_document(response.json()))
    return events


def events_of(
    technique: Technique, base_url: str, room: str, since: str | None = None, **options: Any
) -> Any:
    """Return the events of the technique's Python client, with a short back-off."""
    options.setdefault("back_off", BackOff(first=0.01, most=0.05))
    if technique.response_ends == "at once":
        options.setdefault("interval", 0.02)
    return technique.events(base_url, room, since, **options)


async def collect(
    technique: Technique,
    base_url: str,
    room: str,
    since: str | None = None,
    *,
    count: int,
    **options: Any,
) -> list[Event]:
    """Return the next `count` events of the technique's client."""
    received: list[Event] = []
    async with asyncio.timeout(BOUND):
        async with aclosing(events_of(technique, base_url, room, since, **options)) as events:
            async for event in events:
                received.append(event)
                if len(received) == count:
                    break
    return received


@asynccontextmanager
async def following(
    base_url: str, room: str, since: str, clients: int = 1, **options: Any
) -> AsyncIterator[list[list[Event]]]:
    """Follow the room with clients of each technique; yield what each has received so far."""
    techniques = [technique for technique in TECHNIQUES for _ in range(clients)]
    received: list[list[Event]] = [[] for _ in techniques]

    async def follow(technique: Technique, events: list[Event]) -> None:
        interval = {"interval": 0.1} if technique.response_ends == "at once" else {}
        async for event in technique.events(base_url, room, since, **interval, **options):
            events.append(event)

    async with asyncio.TaskGroup() as group:
        pairs = zip(techniques, received, strict=True)
        tasks = [group.create_task(follow(technique, events)) for technique, events in pairs]
        yield received
        for task in tasks:
            task.cancel()


async def settled(
    technique: Technique, http: httpx.AsyncClient, room: str, since: str | None, **options: Any
) -> list[Event]:
    """Return all events after `since`, up to a marker that this function publishes."""
    (last,) = await publish(http, room, ["the last one"])
    received: list[Event] = []
    async with asyncio.timeout(BOUND):
        stream: AsyncIterator[Event] = events_of(
            technique, str(http.base_url), room, since, **options
        )
        async with aclosing(stream) as events:  # type: ignore[type-var]
            async for event in events:
                if event.id == last.id:
                    break
                received.append(event)
    return received


async def entry_of(
    http: httpx.AsyncClient, room: str, headers: dict[str, str] | None = None
) -> dict[str, Any] | None:
    """Return the room's entry in the list of rooms, which may be a second old, or None."""
    rooms: list[dict[str, Any]] = (await http.get("/rooms/", headers=headers)).json()["rooms"]
    return next((entry for entry in rooms if entry["room"] == room), None)


async def cursor_of(http: httpx.AsyncClient, room: str) -> str:
    """Return the present cursor of the room."""
    response = await http.get(f"/polling/{room}/")
    return str(response.json()["cursor"])
