"""Cases of long polling."""

from __future__ import annotations

from realtime_demo.workshop.bench import Bench

A_WHILE = 0.4  # seconds


async def waits(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    async with bench.get(f"/longpoll/{room}/?since={earlier.id}") as response:
        response.expect(not await response.until(lambda: response.status, A_WHILE))


async def answers(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    async with bench.get(f"/longpoll/{room}/?since={earlier.id}") as response:
        await bench.until(bench.waiting)
        await bench.publish(room, "news")
        await response.expect_batch("news")


async def expires(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    target = f"/longpoll/{room}/?since={earlier.id}&wait={A_WHILE}"
    async with bench.get(target) as response:
        early = await response.until(lambda: response.status, A_WHILE / 2)
        batch = await response.batch()
        is_empty = not batch.events and batch.cursor == earlier.cursor
        response.expect(not early and is_empty, seconds=A_WHILE)
