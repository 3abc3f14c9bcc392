"""HTTP/1.1: requests, framing and connections (RFC 9112), and semantics (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime

from .case import Cases, Failed, Skipped, gettext_noop
from .probe import Probe, Unanswered
from .raw import Connection, NoResponse, Response, TimedOut

CASES = Cases("http")
case = CASES.case
each = CASES.each

Make = Callable[[Probe], bytes]  # the request of a case
CLOSE = "Connection: close"
UPGRADE = "Connection: Upgrade"
CHUNKED = "Transfer-Encoding: chunked"
NO_SUCH_PATH = "/conformance-no-such-path"
REQUEST_LINE_LENGTH = 8_000
LONG_TARGET = 70_000
HALF_CLOSES = 5  # a server that stops at the client's FIN may still win the race once


async def expect_end(connection: Connection) -> None:
    """Check that the server closes the connection."""
    if not await connection.ends():
        raise Failed(
            "the server kept the connection open for {seconds:g} s", seconds=connection.timeout
        )


def skip_if_closing(response: Response) -> None:
    """Raise `Skipped` if the server announces that the connection ends with this response."""
    if "close" in response.tokens("connection"):
        raise Skipped("the server announces that it closes the connection")


# Requests that are rejected


def with_host(host: str) -> Make:
    return lambda probe: probe.request(host=host)


REJECTED: dict[str, Make | tuple[Make, int]] = {
    "rfc9112/2.2/field-without-colon": lambda probe: probe.request("X-Conformance"),
    "rfc9112/2.2/field-without-name": lambda probe: probe.request(": value"),
    "rfc9112/2.2/space-in-field-name": lambda probe: probe.request("X Conformance: value"),
    "rfc9112/2.2/field-name-not-a-token": lambda probe: probe.request("X(Conformance): value"),
    # A server may reject the line or ignore it; without it, the Host is missing: 400 either way.
    "rfc9112/2.2/space-before-first-field": lambda probe: probe.request(
        version=f"HTTP/1.1\r\n Host: {probe.origin.authority}", host=""
    ),
    "rfc9112/3.2/host-missing": with_host(""),
    "rfc9112/3.2/host-with-space": with_host("a b"),
    "rfc9112/3.2/host-with-slash": with_host("a/b"),
    "rfc9112/3.2/host-with-user": with_host("user@localhost"),
    "rfc9112/3.2/host-with-port-of-letters": with_host("localhost:port"),
    "rfc9112/3.2/host-list": with_host("localhost, localhost"),
    "rfc9112/3.2/host-with-open-bracket": with_host("[::1"),
    "rfc9112/3.2/host-twice": lambda probe: probe.request(f"Host: {probe.origin.authority}"),
    "rfc9112/3.2/host-twice-different": lambda probe: probe.request("Host: other.invalid"),
    "rfc9112/5.1/space-before-colon": lambda probe: probe.request("X-Conformance : value"),
    # A server may reject the fold or replace it by spaces: an invalid Host, so 400 either way.
    "rfc9112/5.2/folded-host": lambda probe: probe.request(
        host=f"{probe.origin.authority}\r\n folded"
    ),
    # A server may reject NUL or replace it by a space: an invalid Host, so 400 either way.
    "rfc9110/5.5/nul-in-field": lambda probe: probe.request(host=f"{probe.origin.host}\0.invalid"),
    "rfc9112/6.1/unknown-coding": (
        lambda probe: probe.request(
            "Transfer-Encoding: unknown, chunked", CLOSE, body=b"0\r\n\r\n"
        ),
        501,
    ),
}


@each("", REJECTED)
async def rejected(probe: Probe, make: Make, *statuses: int) -> None:
    """Check that the request is answered with one of `statuses`, 400 without any."""
    statuses = statuses or (400,)
    response = await probe.exchange(make(probe), body=False)
    response.expect(*statuses)
    with suppress(Unanswered):  # a plain GET does not have this status
        if (await probe.ordinary()).status in statuses:
            raise Skipped("a plain GET is answered {status}, too", status=response.status)


@each(
    "rfc9112/2.2/",
    {
        "request-line-without-version": "GET {target}",
        "request-line-without-target": "GET HTTP/1.1",
        "version-without-digits": "GET {target} HTTP/one.1",
        "version-in-lower-case": "GET {target} http/1.1",
        "space-in-target": "GET {target} x HTTP/1.1",
        "control-in-target": "GET {target}\x01 HTTP/1.1",
        "method-not-a-token": ("GE(T {target} HTTP/1.1", 400, 404, 405, 501, 505),
    },
)
async def rejected_line(probe: Probe, line: str, *statuses: int) -> None:
    line = line.format(target=probe.targets["http"])
    data = f"{line}\r\nHost: {probe.origin.authority}\r\n\r\n".encode("latin-1")
    await rejected(probe, lambda probe: data, *statuses or (400, 505))


# Requests that are answered as a plain GET

AS_PLAIN_GET = gettext_noop("expected status {expected} as for a plain GET; got {status}")


def padded(probe: Probe, length: int) -> bytes:
    """Return a request whose target has this length."""
    target = probe.targets["http"]
    target += "&pad=" if "?" in target else "?pad="
    return probe.request(target=target + "x" * (length - len(target)))


def absolute(probe: Probe, host: str | None = None) -> bytes:
    return probe.request(target=probe.origin.url + probe.targets["http"], host=host)


AS_ORDINARY: dict[str, Make | tuple[Make, int]] = {
    "rfc9112/2.2/empty-line-before-request": lambda probe: b"\r\n" + probe.request(),
    "rfc9110/6.2/minor-version": lambda probe: probe.request(version="HTTP/1.2"),
    "rfc9112/3/request-line-of-8000-octets": lambda probe: padded(
        probe, REQUEST_LINE_LENGTH - len("GET  HTTP/1.1")
    ),
    "rfc9112/3/long-target": (lambda probe: padded(probe, LONG_TARGET), 414),
    "rfc9112/3.2.2/absolute-form": absolute,
    "rfc9112/3.2.2/absolute-form-overrides-host": lambda probe: absolute(probe, "other.invalid"),
    "rfc9112/3.3/host-empty": (lambda probe: probe.request("Host:", host=""), 400),
    "rfc9112/7/coding-in-upper-case": (
        lambda probe: probe.request(
            "Transfer-Encoding: CHUNKED", CLOSE, body=b"2\r\n{}\r\n0\r\n\r\n"
        ),
        411,
    ),
    "rfc9110/7.8/upgrade-in-http-1.0": lambda probe: probe.request(
        "Upgrade: websocket", UPGRADE, version="HTTP/1.0"
    ),
}


@each("", AS_ORDINARY)
async def as_ordinary(probe: Probe, make: Make, *others: int) -> None:
    """Check that the request is answered with the status of a plain GET, or one of `others`."""
    expected = await probe.ordinary()
    response = await probe.exchange(make(probe), body=False)
    response.expect(*others, expected.status, message=AS_PLAIN_GET)


@case("rfc9110/5.4/large-field")
async def large_field(probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request(f"X-Pad: {'x' * LONG_TARGET}"), body=False)
    if response.status != expected.status and response.status not in range(400, 500):
        raise Failed(
            "expected a 4xx, or {expected} as for a plain GET; got {status}",
            expected=expected.status,
            status=response.status,
        )


# RFC 9112 §6 and §7: framing. The bodies contain no second request, so that a front end that
# disagrees with its back end about them does no harm.


@each(
    "rfc9112/6.3/",
    {
        "length-twice-different": "Content-Length: 2\r\nContent-Length: 3",
        "length-list-different": "Content-Length: 2, 3",
        "length-with-plus": "Content-Length: +2",
        "length-negative": "Content-Length: -2",
        "length-hexadecimal": "Content-Length: 0x2",
        "length-with-letters": "Content-Length: 2a",
        "length-with-space": "Content-Length: 2 2",
        "length-with-underscore": "Content-Length: 0_2",
        "length-with-decimals": "Content-Length: 2.0",
        "coding-not-chunked": "Transfer-Encoding: gzip",
        "chunked-not-final": "Transfer-Encoding: chunked, gzip",
        "chunked-then-identity": "Transfer-Encoding: chunked, identity",
    },
)
async def closes_after_400(probe: Probe, fields: str) -> None:
    """Check that the request is answered 400, or 501 for a coding, and that the server closes."""
    body = b"{}" if "Content-Length" in fields else b"0\r\n\r\n"
    async with probe.connect() as connection:
        await connection.send(probe.request(fields, body=body))
        response = await connection.response(body=False)
        if response.status not in (400, 413, 501):
            raise Failed("expected status 400; got {status}", status=response.status)
        await expect_end(connection)


ANSWERED_AND_CLOSED: dict[str, Make] = {
    "rfc9112/6.1/coding-and-length": lambda probe: probe.request(
        CHUNKED, "Content-Length: 5", body=b"0\r\n\r\n"
    ),
    "rfc9112/6.1/coding-in-http-1.0": lambda probe: probe.request(
        CHUNKED, "Connection: keep-alive", version="HTTP/1.0", body=b"0\r\n\r\n"
    ),
    "rfc9112/9.3/http-1.0-closes": lambda probe: probe.request(version="HTTP/1.0"),
    "rfc9112/9.6/close": lambda probe: probe.request(CLOSE),
    "rfc9112/9.6/close-in-mixed-case": lambda probe: probe.request("Connection: Close"),
    "rfc9112/9.6/close-in-a-list": lambda probe: probe.request("Connection: x, close"),
}


@each("", ANSWERED_AND_CLOSED)
async def answered_and_closed(probe: Probe, make: Make) -> None:
    await probe.finite()
    async with probe.connect() as connection:
        await connection.send(make(probe))
        await connection.response()
        await expect_end(connection)


@case("rfc9112/6.1/no-chunks-in-http-1.0")
async def no_chunks_in_http_1_0(probe: Probe) -> None:
    await probe.ordinary()
    response = await probe.exchange(probe.request(version="HTTP/1.0"), body=False)
    if response.all("transfer-encoding"):
        raise Failed("got Transfer-Encoding: {value}", value=response.get("transfer-encoding"))


@case("rfc9112/6.2/not-both-in-response")
async def not_both_in_response(probe: Probe) -> None:
    response = await probe.ordinary()
    if response.all("transfer-encoding") and response.all("content-length"):
        raise Failed("got both Content-Length and Transfer-Encoding")


@case("rfc9112/6.3/response-is-framed")
async def response_is_framed(probe: Probe) -> None:
    await probe.ordinary()
    # No byte may follow the body before the connection ends.
    async with probe.connect() as connection:
        await connection.send(probe.request(CLOSE))
        response = await connection.response()
        if not response.whole:
            raise Skipped("the response does not end")
        if rest := await rest_of(connection):
            raise Failed("got {rest!r} after the body", rest=rest[:40])


async def rest_of(connection: Connection) -> bytes:
    try:
        return await connection.rest()
    except TimedOut:
        return b""


@each(
    "rfc9112/7.1",
    {
        "/chunks": b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "/size-in-upper-case": b"A\r\n{        }\r\n0\r\n\r\n",
        "/size-with-leading-zeros": b"0002\r\n{}\r\n000\r\n\r\n",
        ".1/extension": b"2;name=value\r\n{}\r\n0\r\n\r\n",
        ".1/quoted-extension": b'2;name="a b;c"\r\n{}\r\n0;x\r\n\r\n',
        ".2/trailers": b"0\r\nX-Trailer: y\r\n\r\n",
    },
)
async def reads_chunks(probe: Probe, body: bytes) -> None:
    """Check that the server finds the end of a chunked body: it answers the next request."""
    expected = await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request(CHUNKED, body=body))
        first = await connection.response()
        if first.status in (411, 413, 501):
            raise Skipped(
                "the server accepts no chunked body with GET: {first}", first=first.status
            )
        skip_if_closing(first)
        await connection.send(probe.request(CLOSE))
        second = await connection.response()
    for response in (first, second):
        response.expect(expected.status)


@each(
    "rfc9112/9.3/chunk-",
    {
        "size-not-hexadecimal": b"zz\r\n{}\r\n0\r\n\r\n",
        "size-negative": b"-2\r\n{}\r\n0\r\n\r\n",
        "size-with-prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
        "size-empty": b"\r\n{}\r\n0\r\n\r\n",
        "data-longer-than-its-size": b"1\r\n{}\r\n0\r\n\r\n",
    },
)
async def broken_chunks(probe: Probe, body: bytes) -> None:
    await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request(CHUNKED, body=body))
        try:
            await connection.response()
        except TimedOut:
            raise
        except NoResponse:
            return
        if not await connection.ends():
            raise Failed("the server kept the connection open after a broken chunk")


@each(
    "",
    {
        "rfc9110/8.6/length-beyond-64-bits": (f"Content-Length: {2**64 + 2}", b"{}"),
        "rfc9112/7.1/size-beyond-64-bits": (CHUNKED, b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    },
)
async def overflow(probe: Probe, field: str, body: bytes) -> None:
    """Check that a length of 2**64 + 2 does not overflow to 2: the next request gets no answer."""
    await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request(field, body=body) + probe.request())
        try:
            await connection.response()
            second = await connection.response()
        except NoResponse:  # it waits for the body, or has closed the connection
            return
        raise Failed(
            "the end of the body was found: the next request was answered {second}",
            second=second.status,
        )


# RFC 9112 §9: connections

FOR_REQUEST = gettext_noop(
    "expected status {expected} for request {number} on a connection; got {status}"
)


@case("rfc9112/9.3/persistence")
async def persistence(probe: Probe) -> None:
    expected = await probe.finite()
    skip_if_closing(expected)
    async with probe.connect() as connection:
        for number in (1, 2, 3):
            await connection.send(probe.request())
            response = await connection.response()
            response.expect(expected.status, message=FOR_REQUEST, number=number)


@case("rfc9112/9.3.2/pipelining")
async def pipelining(probe: Probe) -> None:
    expected = await probe.finite()
    skip_if_closing(expected)
    missing = probe.request(target=NO_SUCH_PATH)
    other = await probe.exchange(missing)
    async with probe.connect() as connection:
        await connection.send(probe.request() + missing + probe.request(CLOSE))
        for number, each in enumerate((expected, other, expected), 1):
            response = await connection.response()
            response.expect(each.status, message=FOR_REQUEST, number=number)
            if number < 3:
                skip_if_closing(response)


@case("rfc9112/9.6/close-is-announced")
async def close_is_announced(probe: Probe) -> None:
    await probe.finite()
    response = await probe.exchange(probe.request(CLOSE))
    if "close" not in response.tokens("connection"):
        raise Failed("expected Connection: close; got {value!r}", value=response.get("connection"))


@case("rfc9112/9.6/half-close")
async def half_close(probe: Probe) -> None:
    expected = await probe.finite()
    for _ in range(HALF_CLOSES):
        async with probe.connect() as connection:
            await connection.send(probe.request())
            connection.half_close()
            response = await connection.response()
            response.expect(expected.status)


# RFC 9110: methods, status codes and fields


@case("rfc9110/6.6.1/date-is-valid")
async def date_is_valid(probe: Probe) -> None:
    response = await probe.ordinary()
    dates = response.all("date")
    if not dates:
        raise Skipped("the response has no Date; rfc9110/6.6.1/date checks that")
    if len(dates) > 1:
        raise Failed("expected one Date; got {count}", count=len(dates))
    day = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    if not re.fullmatch(day, dates[0]):
        raise Failed(
            "expected a date such as 'Sun, 06 Nov 1994 08:49:37 GMT'; got {value!r}", value=dates[0]
        )
    parsedate_to_datetime(dates[0])


def unknown_method(probe: Probe) -> bytes:
    return probe.request(method="CONFORMANCE")


DATED: dict[str, Make | tuple[Make, int]] = {
    "404": lambda probe: probe.request(target=NO_SUCH_PATH),
    "405": (unknown_method, 500),
}


@each("rfc9110/6.6.1/date-of-", DATED)
async def date(probe: Probe, make: Make, exempt: int = 600) -> None:
    """Check that the response has a Date, unless its status is `exempt` or above."""
    response = await probe.exchange(make(probe), body=False)
    if response.status < exempt and not response.all("date"):
        raise Failed("a {status} without Date", status=response.status)


@case("rfc9110/9.1/unknown-method")
async def unknown_method_is_rejected(probe: Probe) -> None:
    response = await probe.exchange(unknown_method(probe), body=False)
    response.expect(405, 501)


@case("rfc9110/9.3.7/options-asterisk")
async def options_asterisk(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="OPTIONS", target="*"))
    response.expect(200, 204, 405, 501)


@case("rfc9110/7.8/unknown-upgrade")
async def unknown_upgrade(probe: Probe) -> None:
    data = probe.request("Upgrade: unknown/1", UPGRADE)
    response = await probe.exchange(data, body=False)
    if response.status == 101:
        raise Failed("got 101 for an unknown protocol")


@each(
    "rfc9110/7.8/",
    {
        "unknown-upgrade-is-ignored": f"Upgrade: unknown/1\r\n{UPGRADE}",
        "h2c-upgrade-is-ignored": "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        "upgrade-without-connection": "Upgrade: websocket",
    },
)
async def ignored_upgrade(probe: Probe, fields: str) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request(fields), body=False)
    if response.status == 101 and "h2c" in response.tokens("upgrade"):
        raise Skipped("the server speaks HTTP/2")
    response.expect(
        expected.status,
        message=gettext_noop("expected status {expected} as without Upgrade; got {status}"),
    )


@case("rfc9110/8.3/content-type")
async def content_type(probe: Probe) -> None:
    response = await probe.ordinary()
    if response.body and not response.media_type:
        raise Failed("the response has content, but no Content-Type")


@case("rfc9110/9.1/method-is-case-sensitive")
async def method_is_case_sensitive(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="get"), body=False)
    if response.status < 400:
        raise Failed("'get' was answered as GET, with {status}", status=response.status)


@case("rfc9110/9.3.2/head-has-no-content")
async def head_has_no_content(probe: Probe) -> None:
    async with probe.connect() as connection:
        await connection.send(probe.request(CLOSE, method="HEAD"))
        await connection.response("HEAD")
        if rest := await rest_of(connection):
            raise Failed("got {rest!r} after the head", rest=rest[:40])


@case("rfc9110/9.3.2/head-has-the-fields-of-get")
async def head_has_the_fields_of_get(probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request(CLOSE, method="HEAD"), method="HEAD")
    response.expect(expected.status, message=AS_PLAIN_GET)
    if response.get("content-type") != expected.get("content-type"):
        raise Failed(
            "expected Content-Type: {expected}; got {value!r}",
            expected=expected.get("content-type"),
            value=response.get("content-type"),
        )


@case("rfc9110/10.1.1/continue")
async def expect_continue(probe: Probe) -> None:
    async with probe.connect() as connection:
        await connection.send(probe.request("Expect: 100-continue", "Content-Length: 2"))
        try:
            response = await connection.head()
        except TimedOut as error:
            raise Failed("neither 100 nor a final response before the body") from error
        if response.status != 100 and response.status < 200:
            raise Failed("expected 100 or a final response; got {status}", status=response.status)


@case("rfc9110/10.1.1/no-continue-in-http-1.0")
async def no_continue_in_http_1_0(probe: Probe) -> None:
    await probe.ordinary()
    fields = ("Expect: 100-continue", "Content-Length: 2")
    async with probe.connect() as connection:
        await connection.send(probe.request(*fields, version="HTTP/1.0", body=b"{}"))
        response = await connection.head()
    if response.status == 100:
        raise Failed("got 100 for an HTTP/1.0 request")


@case("rfc9110/15.5.6/allow")
async def allow(probe: Probe) -> None:
    response = await probe.exchange(unknown_method(probe), body=False)
    if response.status != 405:
        raise Skipped("an unknown method is answered {status}", status=response.status)
    if not response.all("allow"):
        raise Failed("a 405 without Allow")
