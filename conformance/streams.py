"""Requirements on every response that does not end, in either framing."""

from __future__ import annotations

import codecs

from .case import Cases, Failed, Skipped
from .probe import Probe, Stream

HEARTBEAT = 15.0  # seconds
MARGIN = 2.0  # seconds
PROMPT = 2.0  # seconds from the request to the head


async def utf8(probe: Probe, kind: str) -> None:
    """Check that the stream is UTF-8; a character may be cut by the end of the observation."""
    data = (await received(probe, kind)).data
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError as error:
        raise Failed(
            "{value!r} at byte {position}",
            value=data[error.start : error.end],
            position=error.start,
        ) from error


async def head_at_once(probe: Probe, kind: str) -> None:
    """Check that the head is not held back until the first event."""
    stream = await probe.stream(kind)
    if stream.seconds_to_head > PROMPT:
        raise Failed("the head took {seconds:.1f} s", seconds=stream.seconds_to_head)


async def heartbeat(probe: Probe, kind: str) -> None:
    """Check that an idle stream is not silent for longer than proxies permit."""
    stream = await probe.stream(kind)
    if stream.ended:
        raise Failed("the stream ended after {seconds:.1f} s", seconds=stream.seconds)
    if probe.timeout < HEARTBEAT + MARGIN:
        raise Skipped("needs --timeout {seconds:g}", seconds=HEARTBEAT + MARGIN)
    if stream.longest_silence > HEARTBEAT + MARGIN / 2:
        raise Failed("no byte for {seconds:.1f} s", seconds=stream.longest_silence)


async def no_length(probe: Probe, kind: str) -> None:
    response = (await probe.stream(kind)).response
    if response.all("content-length"):
        raise Failed("got Content-Length: {value}", value=response.get("content-length"))


async def http_1_0(probe: Probe, kind: str) -> None:
    response = await probe.exchange(probe.request(kind=kind, version="HTTP/1.0"), body=False)
    response.expect(200)
    if response.all("transfer-encoding"):
        raise Failed("got Transfer-Encoding for an HTTP/1.0 request")


async def head_ends(probe: Probe, kind: str) -> None:
    async with probe.connect() as connection:
        await connection.send(probe.request("Connection: close", kind=kind, method="HEAD"))
        response = await connection.response("HEAD")
        if response.status in (405, 501):
            raise Skipped("HEAD is answered {status}", status=response.status)
        if not await connection.ends():
            raise Failed("the response to HEAD does not end")


async def received(probe: Probe, kind: str) -> Stream:
    """Return the stream; raises `Skipped` if nothing was received."""
    stream = await probe.stream(kind)
    if not stream.data:
        raise Skipped("no data within {seconds:g} s", seconds=probe.timeout)
    return stream


def add(cases: Cases, place: str, heartbeat_id: str) -> None:
    """Add these cases; `place` is the section of the stream's own standard."""
    kind = cases.kind
    for id, check in {
        f"{place}/utf-8": utf8,
        f"{place}/head-at-once": head_at_once,
        heartbeat_id: heartbeat,
        f"rfc9112/6.2/{kind}-without-length": no_length,
        f"rfc9112/6.1/{kind}-in-http-1.0": http_1_0,
        f"rfc9110/9.3.2/{kind}-head-ends": head_ends,
    }.items():
        cases.each("", {id: kind})(check)
