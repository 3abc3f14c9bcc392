"""Cases of back-pressure."""

from __future__ import annotations

import asyncio

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Unexpected

EVENTS, SIZE = 60, 200_000  # more than the buffers of two sockets
RECEIVE_BUFFER = 4_096  # bytes
PAUSE = 0.01  # seconds: events that follow each other within 5 ms may be one batch


async def waits(bench: Bench) -> None:
    room = bench.room()
    async with bench.get(f"/slow/{room}/", receive_buffer=RECEIVE_BUFFER) as response:
        await bench.until(bench.waiting)
        bench.sends.most = bench.sends.most_bytes = 0
        texts = [f"{number:03}" + "x" * SIZE for number in range(EVENTS)]
        for text in texts:
            await bench.publish(room, text)
            await asyncio.sleep(PAUSE)
        sends, megabytes = bench.sends.most, round(bench.sends.most_bytes / 1e6, 1)
        response.expect(sends <= 1, sends=sends, megabytes=megabytes)


async def complete(bench: Bench) -> None:
    room = bench.room()
    async with bench.get(f"/slow/{room}/") as response:
        await bench.until(bench.waiting)
        published = []
        for number in range(EVENTS):
            published += await bench.publish(room, f"{number:03}" + "x" * (SIZE // 10))
        size = sum(len(event.encoded) + 1 for event in published)
        await response.until(lambda: len(response.body) >= size)
        if response.events != published:
            raise Unexpected(got=len(response.events), expected=EVENTS)
