"""Cases of a stream behind a proxy that buffers, as nginx does by default, or compresses."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from realtime_demo.tap.buffering import Buffer
from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Exchange, Unexpected, texts

BUFFER_SIZE = 16 * 1024  # bytes


async def direct(bench: Bench) -> None:
    await live(bench, bench.port)


async def buffering(bench: Bench) -> None:
    async with proxy(bench.port) as port:
        await live(bench, port)


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


@asynccontextmanager
async def proxy(target: int) -> AsyncIterator[int]:
    """Yield the port of a proxy that buffers chunked responses, except with X-Accel-Buffering."""
    writers: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", target)
        writers.extend((writer, to_server))
        to_server.write(await reader.readuntil(b"\r\n\r\n"))
        head = await from_server.readuntil(b"\r\n\r\n")
        size = 0 if b"x-accel-buffering: no" in head.lower() else BUFFER_SIZE
        buffer = Buffer()
        writer.write(buffer.add(head, size))
        while data := await from_server.read(2**16):
            writer.write(buffer.add(data, size))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(w.wait_closed() for w in writers), return_exceptions=True)
