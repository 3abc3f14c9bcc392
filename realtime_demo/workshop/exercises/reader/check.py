"""Cases of one reader of the channel layer."""

from __future__ import annotations

from contextlib import AsyncExitStack

from realtime_demo.workshop.bench import Bench

CLIENTS = 20


async def everyone(bench: Bench) -> None:
    await check(bench, at_most=CLIENTS)


async def one(bench: Bench) -> None:
    await check(bench, at_most=1)


async def check(bench: Bench, at_most: int) -> None:
    """Publish; each client must receive the event. The group may have `at_most` channels."""
    room = bench.room()
    async with AsyncExitStack() as stack:
        responses = [
            await stack.enter_async_context(bench.get(f"/reader/{room}/")) for _ in range(CLIENTS)
        ]
        for response in responses:
            await response.head()
        await bench.until(lambda: bench.readers(room) >= 1)
        published = await bench.publish(room, "news")
        for response in responses:
            await response.until(lambda response=response: b"news" in response.body)  # type: ignore[misc]
        received = sum(response.events == published for response in responses)
        readers = bench.readers(room)
        holds = received == CLIENTS and readers <= at_most
        responses[0].expect(holds, clients=CLIENTS, count=received, readers=readers)
