"""HTTP/1.1: requests, framing and connections (RFC 9112), and semantics (RFC 9110)."""

from __future__ import annotations

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial

from .case import Cases, Failed, Skipped, gettext_noop
from .probe import Probe, Unanswered
from .raw import Connection, NoResponse, Response, TimedOut

CASES = Cases("http")
case = CASES.case

CLOSE = "Connection: close"
UPGRADE = "Connection: Upgrade"

AS_PLAIN_GET = gettext_noop("expected status {expected} as for a plain GET; got {status}")
FOR_REQUEST = gettext_noop(
    "expected status {expected} for request {number} on a connection; got {status}"
)


async def rejects(data: bytes, probe: Probe, statuses: tuple[int, ...] = (400,)) -> None:
    """Check that `data` is answered with one of `statuses`."""
    response = await probe.exchange(data, body=False)
    response.expect(*statuses)
    with suppress(Unanswered):  # a plain GET does not have this status
        if (await probe.ordinary()).status in statuses:
            raise Skipped("a plain GET is answered {status}, too", status=response.status)


async def rejects_fields(line: str, probe: Probe) -> None:
    await rejects(probe.request(line), probe)


async def closes_after_400(fields: str, probe: Probe) -> None:
    """Check that the request is answered 400, or 501 for a coding, and that the server closes."""
    body = b"{}" if "Content-Length" in fields else b"0\r\n\r\n"
    async with probe.connect() as connection:
        await connection.send(probe.request(fields, body=body))
        response = await connection.response(body=False)
        if response.status not in (400, 413, 501):
            raise Failed("expected status 400; got {status}", status=response.status)
        await must_end(connection)


async def must_end(connection: Connection) -> None:
    if not await connection.ends():
        raise Failed(
            "the server kept the connection open for {seconds:g} s", seconds=connection.timeout
        )


async def as_ordinary(probe: Probe, data: bytes, *, method: str = "GET") -> Response:
    """Check that `data` is answered with the status of a plain GET; return the response."""
    expected = await probe.ordinary()
    response = await probe.exchange(data, method=method, body=False)
    response.expect(expected.status, message=AS_PLAIN_GET)
    return response


# RFC 9112 §2: parsing

MALFORMED_REQUEST_LINES = {
    "request-line-without-version": "GET {target}",
    "request-line-without-target": "GET HTTP/1.1",
    "version-without-digits": "GET {target} HTTP/one.1",
    "version-in-lower-case": "GET {target} http/1.1",
    "space-in-target": "GET {target} x HTTP/1.1",
    "control-in-target": "GET {target}\x01 HTTP/1.1",
    "method-not-a-token": "GE(T {target} HTTP/1.1",
}
MALFORMED_FIELDS = {
    "field-without-colon": "X-Conformance",
    "field-without-name": ": value",
    "space-in-field-name": "X Conformance: value",
    "field-name-not-a-token": "X(Conformance): value",
}


async def _malformed_request_line(line: str, probe: Probe) -> None:
    line = line.format(target=probe.targets["http"])
    data = f"{line}\r\nHost: {probe.origin.authority}\r\n\r\n".encode("latin-1")
    await rejects(data, probe, (400, 404, 405, 501, 505) if "GE(T" in line else (400, 505))


CASES.table("rfc9112/2.2/", _malformed_request_line, MALFORMED_REQUEST_LINES)
CASES.table("rfc9112/2.2/", rejects_fields, MALFORMED_FIELDS)


@case("rfc9112/2.2/empty-line-before-request")
async def empty_line_before_request(probe: Probe) -> None:
    await as_ordinary(probe, b"\r\n" + probe.request())


@case("rfc9112/2.2/space-before-first-field")
async def space_before_first_field(probe: Probe) -> None:
    # A server may reject the line or ignore it; without it, the Host is missing: 400 either way.
    version = f"HTTP/1.1\r\n Host: {probe.origin.authority}"
    await rejects(probe.request(version=version, host=""), probe)


@case("rfc9110/6.2/minor-version")
async def minor_version(probe: Probe) -> None:
    await as_ordinary(probe, probe.request(version="HTTP/1.2"))


# RFC 9112 §3: the request line, Host and the forms of a target

REQUEST_LINE_LENGTH = 8_000
LONG_TARGET = 70_000
HALF_CLOSES = 5  # a server that stops at the client's FIN may still win the race once


@case("rfc9112/3/request-line-of-8000-octets")
async def request_line_of_8000_octets(probe: Probe) -> None:
    target = _padded(probe, REQUEST_LINE_LENGTH - len("GET  HTTP/1.1"))
    await as_ordinary(probe, probe.request(target=target))


@case("rfc9112/3/long-target")
async def long_target(probe: Probe) -> None:
    expected = await probe.ordinary()
    data = probe.request(target=_padded(probe, LONG_TARGET))
    response = await probe.exchange(data, body=False)
    response.expect(414, expected.status, message=AS_PLAIN_GET)


def _padded(probe: Probe, length: int) -> str:
    target = probe.targets["http"]
    target += "&pad=" if "?" in target else "?pad="
    return target + "x" * (length - len(target))


INVALID_HOSTS = {
    "host-with-space": "a b",
    "host-with-slash": "a/b",
    "host-with-user": "user@localhost",
    "host-with-port-of-letters": "localhost:port",
    "host-list": "localhost, localhost",
    "host-with-open-bracket": "[::1",
}


@case("rfc9112/3.2/host-missing")
async def host_missing(probe: Probe) -> None:
    await rejects(probe.request(host=""), probe)


@case("rfc9112/3.2/host-twice")
async def host_twice(probe: Probe) -> None:
    await rejects(probe.request(f"Host: {probe.origin.authority}"), probe)


@case("rfc9112/3.2/host-twice-different")
async def host_twice_different(probe: Probe) -> None:
    await rejects(probe.request("Host: other.invalid"), probe)


async def _invalid_host(value: str, probe: Probe) -> None:
    await rejects(probe.request(host=value), probe)


CASES.table("rfc9112/3.2/", _invalid_host, INVALID_HOSTS)


@case("rfc9112/3.2.2/absolute-form")
async def absolute_form(probe: Probe) -> None:
    target = probe.origin.url + probe.targets["http"]
    await as_ordinary(probe, probe.request(target=target))


@case("rfc9112/3.2.2/absolute-form-overrides-host")
async def absolute_form_overrides_host(probe: Probe) -> None:
    target = probe.origin.url + probe.targets["http"]
    await as_ordinary(probe, probe.request(target=target, host="other.invalid"))


@case("rfc9110/9.3.7/options-asterisk")
async def options_asterisk(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="OPTIONS", target="*"))
    response.expect(200, 204, 405, 501)


@case("rfc9112/3.3/host-empty")
async def host_empty(probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request("Host:", host=""), body=False)
    response.expect(400, expected.status)


# RFC 9112 §5: fields


@case("rfc9112/5.1/space-before-colon")
async def space_before_colon(probe: Probe) -> None:
    await rejects(probe.request("X-Conformance : value"), probe)


@case("rfc9112/5.2/folded-host")
async def folded_host(probe: Probe) -> None:
    # A server may reject the fold or replace it by spaces: an invalid Host, so 400 either way.
    await rejects(probe.request(host=f"{probe.origin.authority}\r\n folded"), probe)


@case("rfc9110/5.5/nul-in-field")
async def nul_in_field(probe: Probe) -> None:
    # A server may reject NUL or replace it by a space: an invalid Host, so 400 either way.
    await rejects(probe.request(host=f"{probe.origin.host}\0.invalid"), probe)


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

CASES.table(
    "rfc9112/6.3/",
    closes_after_400,
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


@case("rfc9112/6.1/unknown-coding")
async def unknown_coding(probe: Probe) -> None:
    data = probe.request("Transfer-Encoding: unknown, chunked", CLOSE, body=b"0\r\n\r\n")
    await rejects(data, probe, (501,))


@case("rfc9112/6.1/coding-and-length")
async def coding_and_length(probe: Probe) -> None:
    fields = ("Transfer-Encoding: chunked", "Content-Length: 5")
    await _answered_and_closed(probe, probe.request(*fields, body=b"0\r\n\r\n"))


@case("rfc9112/6.1/coding-in-http-1.0")
async def coding_in_http_1_0(probe: Probe) -> None:
    fields = ("Transfer-Encoding: chunked", "Connection: keep-alive")
    data = probe.request(*fields, version="HTTP/1.0", body=b"0\r\n\r\n")
    await _answered_and_closed(probe, data)


async def _answered_and_closed(probe: Probe, data: bytes) -> None:
    await probe.finite()
    async with probe.connect() as connection:
        await connection.send(data)
        await connection.response()
        await must_end(connection)


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
        if rest := await _rest(connection):
            raise Failed("got {rest!r} after the body", rest=rest[:40])


async def _rest(connection: Connection) -> bytes:
    try:
        return await connection.rest()
    except TimedOut:
        return b""


async def _reads_chunks(body: bytes, probe: Probe) -> None:
    """Check that the server finds the end of a chunked body: it answers the next request."""
    expected = await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request("Transfer-Encoding: chunked", body=body))
        first = await connection.response()
        if first.status in (411, 413, 501):
            raise Skipped(
                "the server accepts no chunked body with GET: {first}", first=first.status
            )
        if "close" in first.tokens("connection"):
            raise Skipped("the server announces that it closes the connection")
        await connection.send(probe.request(CLOSE))
        second = await connection.response()
    for response in (first, second):
        response.expect(expected.status)


CASES.table(
    "rfc9112/7.1",
    _reads_chunks,
    {
        "/chunks": b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "/size-in-upper-case": b"A\r\n{        }\r\n0\r\n\r\n",
        "/size-with-leading-zeros": b"0002\r\n{}\r\n000\r\n\r\n",
        ".1/extension": b"2;name=value\r\n{}\r\n0\r\n\r\n",
        ".1/quoted-extension": b'2;name="a b;c"\r\n{}\r\n0;x\r\n\r\n',
        ".2/trailers": b"0\r\nX-Trailer: y\r\n\r\n",
    },
)


@case("rfc9112/7/coding-in-upper-case")
async def coding_in_upper_case(probe: Probe) -> None:
    expected = await probe.finite()
    data = probe.request("Transfer-Encoding: CHUNKED", CLOSE, body=b"2\r\n{}\r\n0\r\n\r\n")
    response = await probe.exchange(data)
    response.expect(expected.status, 411)


BROKEN_CHUNKS = {
    "size-not-hexadecimal": b"zz\r\n{}\r\n0\r\n\r\n",
    "size-negative": b"-2\r\n{}\r\n0\r\n\r\n",
    "size-with-prefix": b"0x2\r\n{}\r\n0\r\n\r\n",
    "size-empty": b"\r\n{}\r\n0\r\n\r\n",
    "data-longer-than-its-size": b"1\r\n{}\r\n0\r\n\r\n",
}


async def _broken_chunks(body: bytes, probe: Probe) -> None:
    await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request("Transfer-Encoding: chunked", body=body))
        try:
            await connection.response()
        except TimedOut:
            raise
        except NoResponse:
            return
        if await connection.ends():
            return
        raise Failed("the server kept the connection open after a broken chunk")


CASES.table("rfc9112/9.3/chunk-", _broken_chunks, BROKEN_CHUNKS)


async def _overflow(field: str, body: bytes, probe: Probe) -> None:
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


case("rfc9110/8.6/length-beyond-64-bits")(partial(_overflow, f"Content-Length: {2**64 + 2}", b"{}"))
case("rfc9112/7.1/size-beyond-64-bits")(
    partial(_overflow, "Transfer-Encoding: chunked", b"10000000000000002\r\n{}\r\n0\r\n\r\n")
)


# RFC 9112 §9: connections


@case("rfc9112/9.3/persistence")
async def persistence(probe: Probe) -> None:
    expected = await probe.finite()
    if "close" in expected.tokens("connection"):
        raise Skipped("the server announces that it closes the connection")
    async with probe.connect() as connection:
        for number in (1, 2, 3):
            await connection.send(probe.request())
            response = await connection.response()
            response.expect(expected.status, message=FOR_REQUEST, number=number)


@case("rfc9112/9.3/http-1.0-closes")
async def http_1_0_closes(probe: Probe) -> None:
    await _answered_and_closed(probe, probe.request(version="HTTP/1.0"))


@case("rfc9112/9.3.2/pipelining")
async def pipelining(probe: Probe) -> None:
    expected = await probe.finite()
    if "close" in expected.tokens("connection"):
        raise Skipped("the server announces that it closes the connection")
    missing = probe.request(target="/conformance-no-such-path")
    other = await probe.exchange(missing)
    async with probe.connect() as connection:
        await connection.send(probe.request() + missing + probe.request(CLOSE))
        for number, each in enumerate((expected, other, expected), 1):
            response = await connection.response()
            response.expect(each.status, message=FOR_REQUEST, number=number)
            if number < 3 and "close" in response.tokens("connection"):
                raise Skipped("the server announces that it closes the connection")


CLOSE_OPTIONS = {"close": "close", "close-in-mixed-case": "Close", "close-in-a-list": "x, close"}


async def _close_option(option: str, probe: Probe) -> None:
    await _answered_and_closed(probe, probe.request(f"Connection: {option}"))


CASES.table("rfc9112/9.6/", _close_option, CLOSE_OPTIONS)


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


@case("rfc9110/6.6.1/date-of-404")
async def date_of_404(probe: Probe) -> None:
    response = await probe.exchange(probe.request(target="/conformance-no-such-path"), body=False)
    if not response.all("date"):
        raise Failed("a {status} without Date", status=response.status)


@case("rfc9110/6.6.1/date-of-405")
async def date_of_405(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="CONFORMANCE"), body=False)
    if response.status < 500 and not response.all("date"):
        raise Failed("a {status} without Date", status=response.status)


@case("rfc9110/7.8/upgrade-in-http-1.0")
async def upgrade_in_http_1_0(probe: Probe) -> None:
    fields = ("Upgrade: websocket", UPGRADE)
    await as_ordinary(probe, probe.request(*fields, version="HTTP/1.0"))


@case("rfc9110/7.8/unknown-upgrade")
async def unknown_upgrade(probe: Probe) -> None:
    data = probe.request("Upgrade: unknown/1", UPGRADE)
    response = await probe.exchange(data, body=False)
    if response.status == 101:
        raise Failed("got 101 for an unknown protocol")


IGNORED_UPGRADES = {
    "unknown-upgrade-is-ignored": f"Upgrade: unknown/1\r\n{UPGRADE}",
    "h2c-upgrade-is-ignored": "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    "upgrade-without-connection": "Upgrade: websocket",
}


async def _ignored_upgrade(fields: str, probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request(fields), body=False)
    if response.status == 101 and "h2c" in response.tokens("upgrade"):
        raise Skipped("the server speaks HTTP/2")
    response.expect(
        expected.status,
        message=gettext_noop("expected status {expected} as without Upgrade; got {status}"),
    )


CASES.table("rfc9110/7.8/", _ignored_upgrade, IGNORED_UPGRADES)


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


@case("rfc9110/9.1/unknown-method")
async def unknown_method(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="CONFORMANCE"), body=False)
    response.expect(405, 501)


@case("rfc9110/9.3.2/head-has-no-content")
async def head_has_no_content(probe: Probe) -> None:
    async with probe.connect() as connection:
        await connection.send(probe.request(CLOSE, method="HEAD"))
        await connection.response("HEAD")
        if rest := await _rest(connection):
            raise Failed("got {rest!r} after the head", rest=rest[:40])


@case("rfc9110/9.3.2/head-has-the-fields-of-get")
async def head_has_the_fields_of_get(probe: Probe) -> None:
    response = await as_ordinary(probe, probe.request(CLOSE, method="HEAD"), method="HEAD")
    expected = (await probe.ordinary()).get("content-type")
    if response.get("content-type") != expected:
        raise Failed(
            "expected Content-Type: {expected}; got {value!r}",
            expected=expected,
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
    data = probe.request(*fields, version="HTTP/1.0", body=b"{}")
    async with probe.connect() as connection:
        await connection.send(data)
        response = await connection.head()
    if response.status == 100:
        raise Failed("got 100 for an HTTP/1.0 request")


@case("rfc9110/15.5.6/allow")
async def allow(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="CONFORMANCE"), body=False)
    if response.status != 405:
        raise Skipped("an unknown method is answered {status}", status=response.status)
    if not response.all("allow"):
        raise Failed("a 405 without Allow")
