"""What the contract tests do to a feed: publish to it, and collect from it within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import httpx

from transports.client import BackOff
from transports.events import Event
from transports.registry import Technique

BOUND = 60.0  # seconds after which what has not come is not going to


async def publish(http: httpx.AsyncClient, room: str, texts: Iterable[str]) -> list[Event]:
    """Publish the texts one after another; the events as the server answered them."""
    events = []
    for text in texts:
        response = await http.post(f"/publish/{room}/", json={"sender": "ada", "text": text})
        assert response.status_code == 201, response.text
        events.append(Event.from_document(response.json()))
    return events


def events_of(
    technique: Technique, base_url: str, room: str, since: str | None = None, **options: Any
) -> Any:
    """The technique's own Python client, told to be quick about asking again."""
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
    """The next `count` events that the technique's client gives."""
    found: list[Event] = []
    async with asyncio.timeout(BOUND):
        async with aclosing(events_of(technique, base_url, room, since, **options)) as events:
            async for event in events:
                found.append(event)
                if len(found) == count:
                    break
    return found


async def settled(
    technique: Technique, http: httpx.AsyncClient, room: str, since: str | None, **options: Any
) -> list[Event]:
    """Everything behind `since`, and proof that nothing follows: up to a last event of our own."""
    (last,) = await publish(http, room, ["the last one"])
    found: list[Event] = []
    async with asyncio.timeout(BOUND):
        stream: AsyncIterator[Event] = events_of(
            technique, str(http.base_url), room, since, **options
        )
        async with aclosing(stream) as events:  # type: ignore[type-var]
            async for event in events:
                if event.id == last.id:
                    break
                found.append(event)
    return found


async def cursor_of(http: httpx.AsyncClient, room: str) -> str:
    """The place where the room's feed is now."""
    response = await http.get(f"/polling/{room}/")
    return str(response.json()["cursor"])
