"""Cases of a disconnect."""

from __future__ import annotations

from contextlib import AsyncExitStack

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected

CLIENTS = 10


async def answers(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    async with bench.get(f"/held/{room}/?since={earlier.id}") as response:
        await bench.until(bench.waiting)
        await bench.publish(room, "news")
        await response.expect_batch("news")


async def disconnect(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    before = await bench.waiting()
    async with AsyncExitStack() as stack:
        for _ in range(CLIENTS):
            await stack.enter_async_context(bench.get(f"/held/{room}/?since={earlier.id}"))

        async def all_wait() -> bool:
            return await bench.waiting() == before + CLIENTS

        await bench.until(all_wait)

    async def all_ended() -> bool:
        return await bench.waiting() == before

    if not await bench.until(all_ended):
        left = await bench.waiting() - before
        raise Unexpected(clients=CLIENTS, seconds=bench.patience, got=left)
