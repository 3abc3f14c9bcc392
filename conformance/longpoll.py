"""Long polling (RFC 6202): a request that the server holds until there is an event."""

from __future__ import annotations

import asyncio

from .case import Cases, Failed, Skipped
from .probe import Probe
from .raw import Connection, NoResponse, Response, TimedOut

CASES = Cases("longpoll")
case = CASES.case
LONGEST = 30.0  # seconds (RFC 6202 §5.5)


async def polled(probe: Probe) -> Response:
    """Return the response to the first poll, sent once for all cases."""
    return await probe.ordinary("longpoll")


@case("rfc6202/2.1/response")
async def response(probe: Probe) -> None:
    response = await polled(probe)
    response.expect(200, 204)
    if not response.whole:
        raise Failed("the response does not end: it is a stream")


@case("rfc6202/2.2/framed")
async def framed(probe: Probe) -> None:
    if (await polled(probe)).framing == "close":
        raise Failed("neither Content-Length nor chunks: each poll needs a connection")


async def expect_two(connection: Connection, status: int, data: bytes = b"") -> None:
    """Check that two polls get the same status; `data` is sent before each response."""
    for number in (1, 2):
        await connection.send(data)
        response = await connection.response()
        if response.status != status:
            raise Failed(
                "poll {number} was answered {status}", number=number, status=response.status
            )


@case("rfc6202/2.1/next-poll-on-the-connection")
async def next_poll_on_the_connection(probe: Probe) -> None:
    first = await polled(probe)
    async with probe.connect() as connection:
        await expect_two(connection, first.status, probe.request(kind="longpoll"))


@case("rfc6202/5.1/two-polls-at-once")
async def two_polls_at_once(probe: Probe) -> None:
    first = await polled(probe)
    data = probe.request(kind="longpoll")
    responses = await asyncio.gather(probe.exchange(data), probe.exchange(data))
    if [response.status for response in responses] != [first.status] * 2:
        raise Failed(
            "expected status {expected} twice; got {got}",
            expected=first.status,
            got=", ".join(str(response.status) for response in responses),
        )


@case("rfc6202/5.3/identical-polls-on-a-connection")
async def identical_polls_on_a_connection(probe: Probe) -> None:
    first = await polled(probe)
    data = probe.request(kind="longpoll")
    async with probe.connect() as connection:
        await connection.send(data + data)
        await expect_two(connection, first.status)


@case("rfc6202/5.5/answered-in-time")
async def answered_in_time(probe: Probe) -> None:
    try:
        await probe.exchange(probe.request(kind="longpoll"))
    except TimedOut as error:
        if probe.timeout < LONGEST:
            raise Skipped("needs --timeout {seconds:g}", seconds=LONGEST) from error
        raise Failed("no response within {seconds:g} s", seconds=probe.timeout) from error


@case("rfc6202/5.6/not-cacheable")
async def not_cacheable(probe: Probe) -> None:
    response = await polled(probe)
    if not {"no-store", "no-cache"} & set(response.tokens("cache-control")):
        raise Failed(
            "expected no-store or no-cache; got {value!r}", value=response.get("cache-control")
        )


@case("rfc6202/2.1/abandoned-poll")
async def abandoned_poll(probe: Probe) -> None:
    first = await polled(probe)
    async with probe.connect() as connection:
        await connection.send(probe.request(kind="longpoll"))
    response = await probe.exchange(probe.request(kind="longpoll"))
    response.expect(first.status)


@case("rfc9112/9.6/half-closed-poll")
async def half_closed_poll(probe: Probe) -> None:
    first = await polled(probe)
    async with probe.connect() as connection:
        await connection.send(probe.request(kind="longpoll"))
        connection.half_close()
        try:
            response = await connection.response()
        except TimedOut:
            raise
        except NoResponse as error:
            raise Failed("the server closed the connection without a response") from error
        response.expect(first.status)
