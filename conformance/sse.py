"""Server-Sent Events (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from . import streams
from .case import Cases, Failed, Skipped
from .probe import Probe
from .raw import TimedOut

CASES = Cases("sse")
case = CASES.case
each = CASES.each
BOM = b"\xef\xbb\xbf"
FIELDS = ("event", "data", "id", "retry")
REPEATED = 1.0  # seconds within which a server sends again what a client has missed
LINE_END = re.compile("\r\n|\r|\n")


def blocks_of(data: bytes) -> list[list[tuple[str, str]]]:
    """Return the fields of each complete block; a comment is a field without a name."""
    text = data.removeprefix(BOM).decode("utf-8", "replace")
    lines = LINE_END.split(text)[:-1]  # the last line has not ended
    blocks: list[list[tuple[str, str]]] = [[]]
    for line in lines:
        if not line:
            blocks.append([])
        else:
            name, _, value = line.partition(":")
            blocks[-1].append((name, value.removeprefix(" ")))
    return [block for block in blocks[:-1] if block]


async def blocks(probe: Probe) -> list[list[tuple[str, str]]]:
    """Return the complete blocks; raises `Skipped` if none has been received."""
    complete = blocks_of((await streams.received(probe, "sse")).data)
    if not complete:
        raise Skipped("no complete block within {seconds:g} s", seconds=probe.timeout)
    return complete


async def fields(probe: Probe) -> list[tuple[str, str]]:
    return [pair for block in await blocks(probe) for pair in block]


async def retries(probe: Probe) -> list[str]:
    values = [value for name, value in await fields(probe) if name == "retry"]
    if not values:
        raise Skipped("the stream has no retry field")
    return values


def ids_of(blocks: list[list[tuple[str, str]]]) -> list[str]:
    """Return the ids of the blocks that are events with an id."""
    return [dict(block)["id"] for block in blocks if {"id", "data"} <= dict(block).keys()]


streams.add(CASES, "sse/9.2.5", "sse/9.2.7/heartbeat")


@case("sse/9.2.2/status")
async def status(probe: Probe) -> None:
    await probe.stream("sse")


@case("sse/9.2.2/content-type")
async def content_type(probe: Probe) -> None:
    response = (await probe.stream("sse")).response
    if response.media_type != "text/event-stream":
        raise Failed(
            "expected text/event-stream; got {value!r}", value=response.get("content-type")
        )


@case("sse/9.2.2/does-not-end")
async def does_not_end(probe: Probe) -> None:
    stream = await probe.stream("sse")
    if stream.ended:
        raise Failed(
            "the stream ended after {seconds:.1f} s: each client reconnects", seconds=stream.seconds
        )


@each(
    "sse/9.2.",
    {
        "2/accept": ("Accept: text/event-stream", "Cache-Control: no-store"),
        "4/foreign-number": "Last-Event-ID: 12345",
        "4/foreign-uuid": "Last-Event-ID: 5f1c5c7e-6a63-4c26-8f1c-2a0f1f6f1a2b",
        "4/foreign-word": "Last-Event-ID: not a cursor",
        "4/foreign-utf-8": f"Last-Event-ID: {'한국어'.encode().decode('latin-1')}",
        "4/foreign-symbols": 'Last-Event-ID: "<>&;,=%00',
        "4/foreign-long": f"Last-Event-ID: {'9' * 1_000}",
        "4/empty": "Last-Event-ID: ",
    },
)
async def _answered(probe: Probe, *fields: str) -> None:
    response = await probe.exchange(probe.request(*fields, kind="sse"), body=False)
    response.expect(200)


@case("sse/9.2.4/resume")
async def resume(probe: Probe) -> None:
    ids = ids_of(blocks_of((await streams.received(probe, "sse")).data))
    if not ids:
        raise Skipped("no event with an id within {seconds:g} s", seconds=probe.timeout)
    last = ids[-1]
    async with probe.connect() as connection:
        identifier = last.encode().decode("latin-1")
        await connection.send(probe.request(f"Last-Event-ID: {identifier}", kind="sse"))
        response = await connection.response(body=False)
        with suppress(TimeoutError, TimedOut):
            async with asyncio.timeout(REPEATED):
                async for data in connection.pieces(response):
                    response.body += data
    if last in ids_of(blocks_of(response.body)):
        raise Failed("the event {id!r} was sent again", id=last[:40])


@case("sse/9.2.5/one-byte-order-mark")
async def one_byte_order_mark(probe: Probe) -> None:
    data = (await streams.received(probe, "sse")).data
    place = data.removeprefix(BOM).find(BOM)
    line = place >= 0 and data.removeprefix(BOM)[:place].rpartition(b"\n")[2]
    if line == b"":
        raise Failed("a byte order mark at the start of a line, at byte {place}", place=place)


@case("sse/9.2.6/known-fields")
async def known_fields(probe: Probe) -> None:
    unknown = {name for name, _ in await fields(probe)} - {"", *FIELDS}
    if unknown:
        shown = ", ".join(repr(name[:40]) for name in sorted(unknown))
        raise Failed("clients ignore these lines, which are not fields: {shown}", shown=shown)


@case("sse/9.2.6/blank-line-after-event")
async def blank_line_after_event(probe: Probe) -> None:
    stream = await streams.received(probe, "sse")
    if not blocks_of(stream.data):
        raise Failed("no blank line in {size} bytes: no event is dispatched", size=len(stream.data))


@case("sse/9.2.5/whole-lines")
async def whole_lines(probe: Probe) -> None:
    """Check that a stream that has ended does not end inside a block, which is discarded."""
    stream = await streams.received(probe, "sse")
    if not stream.ended:
        raise Skipped("the stream has not ended")
    if not re.search(rb"(\r\n|\r|\n)(\r\n|\r|\n)$", stream.data):
        raise Failed(
            "the last block has no blank line: {end!r} is discarded", end=stream.data[-40:]
        )


@case("sse/9.2.6/retry-has-digits")
async def retry_has_digits(probe: Probe) -> None:
    for value in await retries(probe):
        if not re.fullmatch("[0-9]+", value, re.ASCII):
            raise Failed("expected milliseconds; got {value!r}", value=value[:40])


@case("sse/9.2.6/retry-is-not-hasty")
async def retry_is_not_hasty(probe: Probe) -> None:
    for value in await retries(probe):
        if value.isdigit() and int(value) < 100:
            raise Failed(
                "below 100 ms, clients flood a server that restarts; got {value}", value=value
            )


@case("sse/9.2.6/id-without-nul")
async def id_without_nul(probe: Probe) -> None:
    if any(name == "id" and "\0" in value for name, value in await fields(probe)):
        raise Failed("an id with U+0000")


@case("sse/9.2.3/id-fits-a-header")
async def id_fits_a_header(probe: Probe) -> None:
    for name, value in await fields(probe):
        if name == "id" and (len(value) > 1_000 or not re.fullmatch(r"[ -~]*", value)):
            raise Failed(
                "expected at most 1,000 printable ASCII characters; got {value!r}", value=value[:40]
            )


@case("sse/9.2.6/event-has-data")
async def event_has_data(probe: Probe) -> None:
    for block in await blocks(probe):
        names = [name for name, _ in block]
        if "event" in names and "data" not in names:
            raise Failed(
                "a block with an event type but without data is dropped: {block}", block=block[:3]
            )


@case("sse/9.2.6/events-have-ids")
async def events_have_ids(probe: Probe) -> None:
    has_id = False
    for name, _ in await fields(probe):
        has_id = has_id or name == "id"
        if name == "data" and not has_id:
            raise Failed("an event before any id: a client that loses it cannot resume")


@case("sse/9.2.6/unique-ids")
async def unique_ids(probe: Probe) -> None:
    ids = ids_of(await blocks(probe))
    if len(ids) != len(set(ids)):
        raise Failed("two events have the same id")
