"""Cases of the chat over WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from websockets.asyncio.client import ClientConnection, connect

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected, texts
from transports.events import Event

BURST = 150  # events: more than the 100 that the layer keeps for a channel


async def messages(socket: ClientConnection, count: int, seconds: float) -> list[bytes]:
    """Return up to `count` messages that arrive within `seconds`."""
    received: list[bytes] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while len(received) < count:
                received.append(await socket.recv(decode=False))
    return received


def check(received: Sequence[bytes], published: Sequence[Event]) -> None:
    events = [Event.decode(message) for message in received]
    if events != [*published]:
        values = {"got": texts(events), "count": len(events), "lost": len(published) - len(events)}
        raise Unexpected(b"\n".join(received), **values)


async def live(bench: Bench) -> None:
    room = bench.room()
    async with connect(f"ws://127.0.0.1:{bench.port}/chat/{room}/") as socket:
        await bench.until(lambda: bench.readers(room))
        published = await bench.publish(room, "one", "two")
        check(await messages(socket, 2, bench.patience), published)


async def resume(bench: Bench) -> None:
    room = bench.room()
    seen, *missed = await bench.publish(room, "seen", "one", "two")
    url = f"ws://127.0.0.1:{bench.port}/chat/{room}/?since={seen.id}"
    async with connect(url) as socket:
        check(await messages(socket, 2, bench.patience), missed)


async def burst(bench: Bench) -> None:
    room = bench.room()
    async with connect(f"ws://127.0.0.1:{bench.port}/chat/{room}/") as socket:
        await bench.until(lambda: bench.readers(room))
        published = await bench.publish_at_once(room, BURST)
        check(await messages(socket, BURST, bench.patience), published)
