"""Cases of Server-Sent Events."""

from __future__ import annotations

import re

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Exchange


def ids(response: Exchange) -> list[str]:
    """Return the ids of the complete messages, in order."""
    messages = bytes(response.body).decode().split("\n\n")[:-1]
    matches = [re.search(r"^id: ?(.+)$", message, re.MULTILINE) for message in messages]
    return [match[1] if match else "" for match in matches]


async def identity(bench: Bench) -> None:
    room = bench.room()
    published = await bench.publish(room, "one", "two")
    async with bench.get(f"/sse/{room}/") as response:
        await response.head()
        await response.until(lambda: response.body.count(b"\n\n") >= 2)
        response.expect(ids(response) == [event.id for event in published])


async def resume(bench: Bench) -> None:
    room = bench.room()
    (one, two, three) = await bench.publish(room, "one", "two", "three")
    async with bench.get(f"/sse/{room}/", {"Last-Event-ID": one.id}) as response:
        await response.head()
        await response.until(lambda: b"three" in response.body)
        is_resumed = b"two" in response.body and b"one" not in response.body
        has_ids = three.id.encode() in response.body
        response.expect(is_resumed and has_ids, id=one.id, expected=two.id)
