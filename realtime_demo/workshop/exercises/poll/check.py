"""Cases of short polling."""

from __future__ import annotations

from realtime_demo.workshop.bench import Bench


async def burst(bench: Bench) -> None:
    await poll(bench, "one", "two", "three")


async def nothing(bench: Bench) -> None:
    await poll(bench)


async def poll(bench: Bench, *expected: str) -> None:
    """Publish the `expected` texts after an earlier event; a poll must return only these."""
    room = bench.room()
    (earlier,) = await bench.publish(room, "earlier")
    await bench.publish(room, *expected)
    async with bench.get(f"/poll/{room}/?since={earlier.id}") as response:
        await response.expect_batch(*expected)
