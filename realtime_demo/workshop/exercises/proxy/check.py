"""Cases of a stream behind a proxy that buffers, as nginx does by default, or compresses."""

from __future__ import annotations

import gzip

from realtime_demo.tap.proxy import Tap
from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Exchange, Unexpected, texts

BUFFER_SIZE = 16 * 1024  # bytes


async def direct(bench: Bench) -> None:
    await live(bench, bench.port)


async def buffering(bench: Bench) -> None:
    """Buffer as nginx does, which X-Accel-Buffering: no turns off for a response."""
    async with bench.get(f"/behind/{bench.room()}/") as response:
        await response.head()
        size = 0 if response.headers.get("x-accel-buffering") == "no" else BUFFER_SIZE
    async with Tap("127.0.0.1", bench.port, hold_back=lambda _label: size) as tap:
        await live(bench, tap.port)


async def compressing(bench: Bench) -> None:
    """Apply the rule of a compressing middleware to the response's headers."""
    async with bench.get(f"/behind/{bench.room()}/") as response:
        await response.head()
        if not is_exempt(response):
            received = gzip.compress(b'{"text":"news"}\n')[:10]
            raise Unexpected(response.received, size=len(received))


def is_exempt(response: Exchange) -> bool:
    """Return whether a compressor must not change the response (RFC 9110 §8.4, RFC 9111 §5.2)."""
    transform = "no-transform" not in response.headers.get("cache-control", "")
    return not transform or "content-encoding" in response.headers


async def live(bench: Bench, port: int) -> None:
    room = bench.room()
    async with bench.get(f"/behind/{room}/", port=port) as response:
        await bench.until(bench.waiting)
        published = await bench.publish(room, "news")
        await response.until(lambda: b"news" in response.body)
        if response.events != published:
            raise Unexpected(response.received, got=texts(response.events))
