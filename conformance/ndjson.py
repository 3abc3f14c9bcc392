"""Newline-delimited JSON (the NDJSON specification, RFC 8259)."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from . import streams
from .case import Cases, Failed, Skipped
from .probe import Probe

CASES = Cases("ndjson")
case = CASES.case
each = CASES.each
MEDIA_TYPES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-lines",
)
SURROGATE = re.compile("[\ud800-\udfff]")

streams.add(CASES, "ndjson/3.1", "ndjson/3/heartbeat")


class Repeated(ValueError):
    """A member name occurs twice in an object."""


class NotANumber(ValueError):
    """A number that JSON does not have, such as NaN."""


def parse_strictly(line: bytes) -> Any:
    """Parse a line; raises `ValueError`, for NaN and repeated members too."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in members]
        if len(names) != len(set(names)):
            raise Repeated(names)
        return dict(members)

    def constant(name: str) -> NoReturn:
        raise NotANumber(name)

    return json.loads(line.decode(), object_pairs_hook=pairs, parse_constant=constant)


async def lines(probe: Probe) -> list[bytes]:
    """Return the complete lines that are not empty; raises `Skipped` without one."""
    complete = [
        line
        for line in (await streams.received(probe, "ndjson")).data.split(b"\n")[:-1]
        if line.strip()
    ]
    if not complete:
        raise Skipped("no JSON within {seconds:g} s", seconds=probe.timeout)
    return complete


async def errors(probe: Probe) -> list[tuple[bytes, ValueError]]:
    """Return the lines that are not valid, with their errors."""
    found = []
    for line in await lines(probe):
        try:
            parse_strictly(line)
        except ValueError as error:
            found.append((line, error))
    return found


@case("ndjson/3/status")
async def status(probe: Probe) -> None:
    await probe.stream("ndjson")


@case("ndjson/3.3/content-type")
async def content_type(probe: Probe) -> None:
    response = (await probe.stream("ndjson")).response
    if response.media_type not in MEDIA_TYPES:
        raise Failed(
            "expected one of {media_types}; got {media_type!r}",
            media_types=", ".join(MEDIA_TYPES),
            media_type=response.media_type,
        )


@case("ndjson/3.1/every-line-is-json")
async def every_line_is_json(probe: Probe) -> None:
    for line, error in await errors(probe):
        if not isinstance(error, Repeated | NotANumber):  # which have cases of their own
            raise Failed("{line!r}: {error}", line=line[:60], error=error)


@case("ndjson/3.1/lines-end")
async def lines_end(probe: Probe) -> None:
    data = (await streams.received(probe, "ndjson")).data
    if b"\n" not in data:
        raise Failed("no line feed in {size} bytes", size=len(data))
    last = data.rpartition(b"\n")[2]
    try:
        json.loads(last)
    except ValueError:
        return
    raise Failed("{line!r} is complete, but no line feed follows", line=last[:60])


@case("ndjson/3.1/one-text-on-a-line")
async def one_text_on_a_line(probe: Probe) -> None:
    for line, error in await errors(probe):
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            raise Failed("more than one JSON text in {line!r}", line=line[:60])


@case("rfc8259/8.1/no-byte-order-mark")
async def no_byte_order_mark(probe: Probe) -> None:
    if any(line.startswith(b"\xef\xbb\xbf") for line in await lines(probe)):
        raise Failed("a line starts with a byte order mark")


@case("rfc8259/6/no-nan")
async def no_nan(probe: Probe) -> None:
    for _, error in await errors(probe):
        if isinstance(error, NotANumber):
            raise Failed("{name} is not JSON", name=error)


@case("rfc8259/4/unique-names")
async def unique_names(probe: Probe) -> None:
    for _, error in await errors(probe):
        if isinstance(error, Repeated):
            raise Failed("repeated members: {names}", names=error)


@case("rfc8259/8.2/no-lone-surrogates")
async def no_lone_surrogates(probe: Probe) -> None:
    for line in await lines(probe):
        try:
            text = json.dumps(json.loads(line), ensure_ascii=False)
        except ValueError:
            continue
        if SURROGATE.search(text):
            raise Failed("a string has half of a surrogate pair")


@each(
    "ndjson/3.1/",
    {"u-2028-escaped": "\u2028", "u-2029-escaped": "\u2029", "u-0085-escaped": "\x85"},
)
async def _escaped(probe: Probe, character: str) -> None:
    data = (await streams.received(probe, "ndjson")).data
    if character.encode() in data:
        raise Failed("U+{code:04X} is sent unescaped", code=ord(character))
    if f"\\u{ord(character):04x}".encode() not in data.lower():
        raise Skipped("no event has this character")
