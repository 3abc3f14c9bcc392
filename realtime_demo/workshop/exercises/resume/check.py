"""Cases of resuming from the history and the channel layer."""

from __future__ import annotations

from realtime_demo.workshop.bench import Bench

PAUSE = 0.3  # seconds that a read of the history takes


async def check(bench: Bench, before: float, after: float) -> None:
    """Publish while the stream reads the history, which takes `before` and `after` seconds."""
    room = bench.room()
    seen, *missed = await bench.publish(room, "seen", "missed")
    bench.store.before_read, bench.store.after_read = before, after
    reads = bench.store.reads
    try:
        async with bench.get(f"/resume/{room}/?since={seen.id}") as response:
            await bench.until(lambda: bench.store.reads > reads)
            meanwhile = await bench.publish(room, "meanwhile")
            await response.head()
            await bench.until(lambda: bench.readers(room))
            bench.store.before_read = bench.store.after_read = 0
            later = await bench.publish(room, "later")
            await response.until(lambda: b"later" in response.body)
            response.expect_events([*missed, *meanwhile, *later], response.events)
    finally:
        bench.store.before_read = bench.store.after_read = 0


async def between(bench: Bench) -> None:
    await check(bench, 0, PAUSE)


async def overlap(bench: Bench) -> None:
    await check(bench, PAUSE, 0)


async def lost(bench: Bench) -> None:
    room = bench.room()
    (seen,) = await bench.publish(room, "seen")
    async with bench.get(f"/resume/{room}/?since={seen.id}") as response:
        await response.head()
        await bench.until(lambda: bench.readers(room))
        bench.layer.to_lose = 1
        published = await bench.publish(room, "lost", "later")
        await response.until(lambda: b"later" in response.body)
        response.expect_events(published, response.events)
