"""Cases of long polling."""

from __future__ import annotations

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected, texts

A_WHILE = 0.4  # seconds


async def waits(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    async with bench.get(f"/longpoll/{room}/?since={earlier.id}") as response:
        if await response.until(lambda: response.status, A_WHILE):
            raise Unexpected(response.received)


async def answers(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    async with bench.get(f"/longpoll/{room}/?since={earlier.id}") as response:
        await bench.until(bench.waiting)
        await bench.publish(room, "news")
        batch = await response.batch()
        if [event.text for event in batch.events] != ["news"]:
            raise Unexpected(response.received, got=texts(batch.events))


async def expires(bench: Bench) -> None:
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    target = f"/longpoll/{room}/?since={earlier.id}&wait={A_WHILE}"
    async with bench.get(target) as response:
        early = await response.until(lambda: response.status, A_WHILE / 2)
        batch = await response.batch()
        if early or batch.events or batch.cursor != earlier.cursor:
            raise Unexpected(response.received, seconds=A_WHILE)
