"""Long polling (RFC 6202): a request that the server holds until there is an event."""

from __future__ import annotations

import asyncio

from .case import Cases, Failed, Skipped
from .probe import Probe
from .raw import NoResponse, Response, TimedOut

CASES = Cases()
case = CASES.case
LONGEST = 30.0  # seconds (RFC 6202 §5.5)


async def polled(probe: Probe) -> Response:
    """Return the response to the first poll, sent once for all cases."""
    return await probe.ordinary("longpoll")


@case(
    "rfc6202/2.1/response",
    "MUST",
    "the server … sends a complete response to the client … when an event or status, or timeout "
    "has occurred",
    "longpoll",
)
async def response(probe: Probe) -> None:
    response = await polled(probe)
    if response.status not in (200, 204):
        raise Failed(f"expected status 200 or 204; got {response.status}")
    if not response.whole:
        raise Failed("the response does not end, as a stream's")


@case(
    "rfc6202/2.2/framed",
    "SHOULD",
    "persistent HTTP connections … (a response that ends with its connection costs the next poll "
    "a handshake)",
    "longpoll",
)
async def framed(probe: Probe) -> None:
    if (await polled(probe)).framing == "close":
        raise Failed("neither Content-Length nor chunks: each poll needs a connection")


@case(
    "rfc6202/2.1/next-poll-on-the-connection",
    "SHOULD",
    "The client sends another long poll request, either immediately … or after a pause",
    "longpoll",
)
async def next_poll_on_the_connection(probe: Probe) -> None:
    first = await polled(probe)
    async with probe.connect() as connection:
        for number in (1, 2):
            await connection.send(probe.request(kind="longpoll"))
            response = await connection.response()
            if response.status != first.status:
                raise Failed(f"poll {number} was answered {response.status}")


@case(
    "rfc6202/5.1/two-polls-at-once",
    "MUST",
    "long polling … (two polls of one client, on two connections, are both answered)",
    "longpoll",
)
async def two_polls_at_once(probe: Probe) -> None:
    first = await polled(probe)
    data = probe.request(kind="longpoll")
    responses = await asyncio.gather(probe.exchange(data), probe.exchange(data))
    if [response.status for response in responses] != [first.status] * 2:
        raise Failed(f"got {' and '.join(str(response.status) for response in responses)}")


@case(
    "rfc6202/5.3/identical-polls-on-a-connection",
    "SHOULD",
    "HTTP pipelining … (a second poll that was sent early is answered after the first)",
    "longpoll",
)
async def identical_polls_on_a_connection(probe: Probe) -> None:
    first = await polled(probe)
    data = probe.request(kind="longpoll")
    async with probe.connect() as connection:
        await connection.send(data + data)
        for number in (1, 2):
            response = await connection.response()
            if response.status != first.status:
                raise Failed(f"poll {number} was answered {response.status}")


@case(
    "rfc6202/5.5/answered-in-time",
    "SHOULD",
    "several experiments have shown success with timeouts as high as 120 seconds, but generally 30 "
    "seconds is a safer value",
    "longpoll",
)
async def answered_in_time(probe: Probe) -> None:
    try:
        await probe.exchange(probe.request(kind="longpoll"))
    except TimedOut as error:
        if probe.timeout < LONGEST:
            raise Skipped(f"it takes --timeout {LONGEST:g}") from error
        raise Failed(f"no response within {probe.timeout:g} s") from error


@case(
    "rfc6202/5.6/not-cacheable",
    "SHOULD",
    'Caching … SHOULD … "Cache-Control" header set to "no-cache"',
    "longpoll",
)
async def not_cacheable(probe: Probe) -> None:
    response = await polled(probe)
    if not {"no-store", "no-cache"} & set(response.tokens("cache-control")):
        raise Failed(f"expected no-store or no-cache; got {response.get('cache-control')!r}")


@case(
    "rfc6202/2.1/abandoned-poll",
    "MUST",
    "The client … (one that closes its connection while the poll is held does not spoil the next)",
    "longpoll",
)
async def abandoned_poll(probe: Probe) -> None:
    first = await polled(probe)
    async with probe.connect() as connection:
        await connection.send(probe.request(kind="longpoll"))
    response = await probe.exchange(probe.request(kind="longpoll"))
    if response.status != first.status:
        raise Failed(f"expected status {first.status}; got {response.status}")


@case(
    "rfc9112/9.6/half-closed-poll",
    "SHOULD",
    "a half-close … (a client that has sent its whole request and closes its direction still "
    "receives the response)",
    "longpoll",
)
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
        if response.status != first.status:
            raise Failed(f"expected status {first.status}; got {response.status}")
