"""Cases of multipart/x-mixed-replace."""

from __future__ import annotations

from email.message import Message

from realtime_demo.workshop.bench import Bench
from realtime_demo.workshop.exchange import Exchange, Unexpected, texts
from transports.events import Event


def boundary(response: Exchange) -> str:
    """Return the boundary in the Content-Type; raise `Unexpected` for another type."""
    message = Message()
    message["Content-Type"] = response.headers.get("content-type", "")
    parameter = message.get_boundary()
    if message.get_content_type() != "multipart/x-mixed-replace" or parameter is None:
        raise Unexpected(response.received, got=message["Content-Type"])
    return parameter


def parts(response: Exchange, delimiter: str) -> list[tuple[str, bytes]]:
    """Return the media type and the body of each complete part."""
    _preamble, *complete = (b"\r\n" + response.body).split(f"\r\n--{delimiter}\r\n".encode())
    pairs = []
    for part in complete[:-1]:
        head, _, body = part.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
        pairs.append((fields.get(b"content-type", b"").decode(), body.strip()))
    return pairs


async def media_type(bench: Bench) -> None:
    async with bench.get(f"/multipart/{bench.room()}/") as response:
        await response.head()
        boundary(response)


async def one_part_each(bench: Bench) -> None:
    room = bench.room()
    published = await bench.publish(room, "one", "two\r\n--event\r\nlines")
    async with bench.get(f"/multipart/{room}/") as response:
        await check(response, published)


async def live(bench: Bench) -> None:
    room = bench.room()
    async with bench.get(f"/multipart/{room}/") as response:
        await response.head()
        await check(response, await bench.publish(room, "news"))


async def resume(bench: Bench) -> None:
    room = bench.room()
    seen, *missed = await bench.publish(room, "seen", "missed")
    async with bench.get(f"/multipart/{room}/?since={seen.id}") as response:
        await check(response, missed)


async def check(response: Exchange, expected: list[Event]) -> None:
    """Check that `expected` arrive, each in a complete part of its own."""
    await response.head()
    last = expected[-1].encoded
    await response.until(lambda: last in response.body)
    try:
        delimiter = boundary(response)
    except Unexpected as error:
        raise Unexpected(response.received, got="-", expected=texts(expected)) from error
    await response.until(lambda: len(parts(response, delimiter)) >= len(expected), 1)
    actual = [
        Event.decode(body)
        for kind, body in parts(response, delimiter)
        if kind == "application/json"
    ]
    response.expect_events(expected, actual)
