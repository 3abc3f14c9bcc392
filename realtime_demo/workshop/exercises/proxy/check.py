"""Cases of a stream behind a proxy that buffers, as nginx does by default, or compresses."""

from __future__ import annotations

import gzip

from realtime_demo.tap.proxy import Tap
from realtime_demo.workshop.bench import Bench

BUFFER_SIZE = 16 * 1024  # bytes


async def direct(bench: Bench) -> None:
    await live(bench, bench.port)


async def buffering(bench: Bench) -> None:
    """Buffer as nginx does, unless the response has `X-Accel-Buffering: no`."""
    async with bench.get(f"/behind/{bench.room()}/") as response:
        await response.head()
        size = 0 if response.headers.get("x-accel-buffering") == "no" else BUFFER_SIZE
    async with Tap("127.0.0.1", bench.port, hold_back=lambda _label: size) as tap:
        await live(bench, tap.port)


async def compressing(bench: Bench) -> None:
    """Apply the rule of a compressing middleware to the response's headers."""
    async with bench.get(f"/behind/{bench.room()}/") as response:
        await response.head()
        # A compressor must not change a response with either (RFC 9111 §5.2, RFC 9110 §8.4).
        is_exempt = "no-transform" in response.headers.get("cache-control", "")
        is_exempt |= "content-encoding" in response.headers
        received = gzip.compress(b'{"text":"news"}\n')[:10]
        response.expect(is_exempt, size=len(received))


async def live(bench: Bench, port: int) -> None:
    room = bench.room()
    async with bench.get(f"/behind/{room}/", port=port) as response:
        await bench.until(bench.waiting)
        published = await bench.publish(room, "news")
        await response.until(lambda: b"news" in response.body)
        response.expect_events(published, response.events)
