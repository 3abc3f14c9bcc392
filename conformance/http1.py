"""HTTP/1.1: requests, framing and connections (RFC 9112), and semantics (RFC 9110)."""

from __future__ import annotations

import re
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import partial

from .case import Cases, Failed, Skipped
from .probe import Probe, Unanswered
from .raw import Connection, NoResponse, Response, TimedOut

CASES = Cases()
case = CASES.case

CLOSE = "Connection: close"
UPGRADE = "Connection: Upgrade"


async def rejects(data: bytes, probe: Probe, statuses: tuple[int, ...] = (400,)) -> None:
    """Check that `data` is answered with one of `statuses`."""
    response = await probe.exchange(data, body=False)
    if response.status not in statuses:
        raise Failed(f"expected status {listed(statuses)}; got {response.status}")
    with suppress(Unanswered):  # the status was not a plain GET's
        if (await probe.ordinary()).status in statuses:
            raise Skipped(f"a plain GET is answered {response.status}, too")


async def rejects_fields(fields: tuple[str, ...], probe: Probe) -> None:
    await rejects(probe.request(*fields), probe)


async def closes_after_400(fields: tuple[str, ...], body: bytes, probe: Probe) -> None:
    """Check that the request is answered 400, or 501 for a coding, and that the server closes."""
    async with probe.connect() as connection:
        await connection.send(probe.request(*fields, body=body))
        response = await connection.response(body=False)
        if response.status not in (400, 413, 501):
            raise Failed(f"expected status 400; got {response.status}")
        await must_end(connection)


async def must_end(connection: Connection) -> None:
    if not await connection.ends():
        raise Failed(f"the server kept the connection open for {connection.timeout:g} s")


async def as_ordinary(probe: Probe, data: bytes, *, method: str = "GET") -> Response:
    """Check that `data` is answered with the status of a plain GET; return the response."""
    expected = await probe.ordinary()
    response = await probe.exchange(data, method=method, body=False)
    if response.status != expected.status:
        raise Failed(f"expected status {expected.status} as for a plain GET; got {response.status}")
    return response


def listed(statuses: tuple[int, ...]) -> str:
    return " or ".join(map(str, statuses))


# RFC 9112 §2: parsing

GRAMMAR = (
    "a sequence of octets that does not match the HTTP-message grammar aside from the robustness "
    "exceptions listed above, the server SHOULD respond with a 400 (Bad Request) response"
)
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


for name, line in MALFORMED_REQUEST_LINES.items():
    case(f"rfc9112/2.2/{name}", "SHOULD", GRAMMAR, "http")(partial(_malformed_request_line, line))
for name, line in MALFORMED_FIELDS.items():
    case(f"rfc9112/2.2/{name}", "SHOULD", GRAMMAR, "http")(partial(rejects_fields, (line,)))


@case(
    "rfc9112/2.2/empty-line-before-request",
    "SHOULD",
    "a server that is expecting to receive and parse a request-line SHOULD ignore at least one "
    "empty line (CRLF) received prior to the request-line",
    "http",
)
async def empty_line_before_request(probe: Probe) -> None:
    await as_ordinary(probe, b"\r\n" + probe.request())


@case(
    "rfc9112/2.2/space-before-first-field",
    "MUST",
    "A recipient that receives whitespace between the start-line and the first header field MUST "
    "either reject the message as invalid or consume each whitespace-preceded line",
    "http",
)
async def space_before_first_field(probe: Probe) -> None:
    # Consumed, the Host is missing: both ways end in 400.
    version = f"HTTP/1.1\r\n Host: {probe.origin.authority}"
    await rejects(probe.request(version=version, host=""), probe)


@case(
    "rfc9110/6.2/minor-version",
    "SHOULD",
    "a major version number that it implements and a minor version number higher than what it "
    "implements … SHOULD process the message as if it was in the highest minor version",
    "http",
)
async def minor_version(probe: Probe) -> None:
    await as_ordinary(probe, probe.request(version="HTTP/1.2"))


# RFC 9112 §3: the request line, Host and the forms of a target

REQUEST_LINE_LENGTH = 8_000
LONG_TARGET = 70_000
HALF_CLOSES = 5  # a server that stops at the client's FIN may still win the race once


@case(
    "rfc9112/3/request-line-of-8000-octets",
    "SHOULD",
    "It is RECOMMENDED that all HTTP senders and recipients support, at a minimum, request-line "
    "lengths of 8000 octets",
    "http",
)
async def request_line_of_8000_octets(probe: Probe) -> None:
    target = _padded(probe, REQUEST_LINE_LENGTH - len("GET  HTTP/1.1"))
    await as_ordinary(probe, probe.request(target=target))


@case(
    "rfc9112/3/long-target",
    "MUST",
    "A server that receives a request-target longer than any URI it wishes to parse MUST respond "
    "with a 414 (URI Too Long) status code",
    "http",
)
async def long_target(probe: Probe) -> None:
    expected = await probe.ordinary()
    data = probe.request(target=_padded(probe, LONG_TARGET))
    response = await probe.exchange(data, body=False)
    if response.status not in (414, expected.status):
        raise Failed(
            f"expected status 414, or {expected.status} as for a plain GET; got {response.status}"
        )


def _padded(probe: Probe, length: int) -> str:
    target = probe.targets["http"]
    target += "&pad=" if "?" in target else "?pad="
    return target + "x" * (length - len(target))


HOST = (
    "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message "
    "that lacks a Host header field and to any request message that contains more than one Host "
    "header field line or a Host header field with an invalid field value"
)
INVALID_HOSTS = {
    "host-with-space": "a b",
    "host-with-slash": "a/b",
    "host-with-user": "user@localhost",
    "host-with-port-of-letters": "localhost:port",
    "host-list": "localhost, localhost",
    "host-with-open-bracket": "[::1",
}


@case("rfc9112/3.2/host-missing", "MUST", HOST, "http")
async def host_missing(probe: Probe) -> None:
    await rejects(probe.request(host=""), probe)


@case("rfc9112/3.2/host-twice", "MUST", HOST, "http")
async def host_twice(probe: Probe) -> None:
    await rejects(probe.request(f"Host: {probe.origin.authority}"), probe)


@case("rfc9112/3.2/host-twice-different", "MUST", HOST, "http")
async def host_twice_different(probe: Probe) -> None:
    await rejects(probe.request("Host: other.invalid"), probe)


async def _invalid_host(value: str, probe: Probe) -> None:
    await rejects(probe.request(host=value), probe)


for name, value in INVALID_HOSTS.items():
    case(f"rfc9112/3.2/{name}", "MUST", HOST, "http")(partial(_invalid_host, value))


@case(
    "rfc9112/3.2.2/absolute-form",
    "MUST",
    "A server MUST accept the absolute-form in requests",
    "http",
)
async def absolute_form(probe: Probe) -> None:
    target = probe.origin.url + probe.targets["http"]
    await as_ordinary(probe, probe.request(target=target))


@case(
    "rfc9112/3.2.2/absolute-form-overrides-host",
    "MUST",
    "the origin server MUST ignore the received Host header field (if any) and instead use the "
    "host information of the request-target",
    "http",
)
async def absolute_form_overrides_host(probe: Probe) -> None:
    target = probe.origin.url + probe.targets["http"]
    await as_ordinary(probe, probe.request(target=target, host="other.invalid"))


@case(
    "rfc9110/9.3.7/options-asterisk",
    "SHOULD",
    'An OPTIONS request with an asterisk ("*") as the request target … applies to the server in '
    "general rather than to a specific resource",
    "http",
)
async def options_asterisk(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="OPTIONS", target="*"))
    if response.status not in (200, 204, 405, 501):
        raise Failed(f"expected status 200, 204, 405 or 501; got {response.status}")


@case(
    "rfc9112/3.3/host-empty",
    "SHOULD",
    "the server can reject the request or determine whether a configured default applies",
    "http",
)
async def host_empty(probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request("Host:", host=""), body=False)
    if response.status not in (400, expected.status):
        raise Failed(f"expected status 400 or {expected.status}; got {response.status}")


# RFC 9112 §5: fields


@case(
    "rfc9112/5.1/space-before-colon",
    "MUST",
    "A server MUST reject, with a response status code of 400 (Bad Request), any received request "
    "message that contains whitespace between a header field name and colon",
    "http",
)
async def space_before_colon(probe: Probe) -> None:
    await rejects(probe.request("X-Conformance : value"), probe)


@case(
    "rfc9112/5.2/folded-host",
    "MUST",
    "A server that receives an obs-fold in a request message … MUST either reject the message by "
    "sending a 400 (Bad Request) … or replace each received obs-fold with one or more SP octets",
    "http",
)
async def folded_host(probe: Probe) -> None:
    # With spaces, the Host is invalid: both ways end in 400.
    await rejects(probe.request(host=f"{probe.origin.authority}\r\n folded"), probe)


@case(
    "rfc9110/5.5/nul-in-field",
    "MUST",
    "a recipient of CR, LF, or NUL within a field value MUST either reject the message or replace "
    "each of those characters with SP",
    "http",
)
async def nul_in_field(probe: Probe) -> None:
    # With a space, the Host is invalid: both ways end in 400.
    await rejects(probe.request(host=f"{probe.origin.host}\0.invalid"), probe)


@case(
    "rfc9110/5.4/large-field",
    "MUST",
    "A server that receives a request header field line, field value, or set of fields larger "
    "than it wishes to process MUST respond with an appropriate 4xx",
    "http",
)
async def large_field(probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request(f"X-Pad: {'x' * LONG_TARGET}"), body=False)
    if response.status != expected.status and response.status not in range(400, 500):
        raise Failed(
            f"expected a 4xx, or {expected.status} as for a plain GET; got {response.status}"
        )


# RFC 9112 §6 and §7: framing. The bodies contain no second request, so that a front end that
# disagrees with its back end about them does no harm.

LENGTH = (
    "If a message is received without Transfer-Encoding and with an invalid Content-Length header "
    "field … the server MUST respond with a 400 (Bad Request) status code and then close the "
    "connection"
)
INVALID_LENGTHS = {
    "length-twice-different": ("Content-Length: 2", "Content-Length: 3"),
    "length-list-different": ("Content-Length: 2, 3",),
    "length-with-plus": ("Content-Length: +2",),
    "length-negative": ("Content-Length: -2",),
    "length-hexadecimal": ("Content-Length: 0x2",),
    "length-with-letters": ("Content-Length: 2a",),
    "length-with-space": ("Content-Length: 2 2",),
    "length-with-underscore": ("Content-Length: 0_2",),
    "length-with-decimals": ("Content-Length: 2.0",),
}
for name, fields in INVALID_LENGTHS.items():
    case(f"rfc9112/6.3/{name}", "MUST", LENGTH, "http")(partial(closes_after_400, fields, b"{}"))

NOT_FINAL = (
    "If a Transfer-Encoding header field is present in a request and the chunked transfer coding "
    "is not the final encoding … the server MUST respond with the 400 (Bad Request) status code "
    "and then close the connection"
)
CODINGS = {
    "coding-not-chunked": "gzip",
    "chunked-not-final": "chunked, gzip",
    "chunked-then-identity": "chunked, identity",
}
for name, coding in CODINGS.items():
    case(f"rfc9112/6.3/{name}", "MUST", NOT_FINAL, "http")(
        partial(closes_after_400, (f"Transfer-Encoding: {coding}",), b"0\r\n\r\n")
    )


@case(
    "rfc9112/6.1/unknown-coding",
    "SHOULD",
    "A server that receives a request message with a transfer coding it does not understand "
    "SHOULD respond with 501 (Not Implemented)",
    "http",
)
async def unknown_coding(probe: Probe) -> None:
    data = probe.request("Transfer-Encoding: unknown, chunked", CLOSE, body=b"0\r\n\r\n")
    await rejects(data, probe, (501,))


@case(
    "rfc9112/6.1/coding-and-length",
    "MUST",
    "the server MUST close the connection after responding to such a request",
    "http",
)
async def coding_and_length(probe: Probe) -> None:
    fields = ("Transfer-Encoding: chunked", "Content-Length: 5")
    await _answered_and_closed(probe, probe.request(*fields, body=b"0\r\n\r\n"))


@case(
    "rfc9112/6.1/coding-in-http-1.0",
    "MUST",
    "an HTTP/1.0 message containing a Transfer-Encoding header field MUST treat the message as if "
    "the framing is faulty … and close the connection after processing the message",
    "http",
)
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


@case(
    "rfc9112/6.1/no-chunks-in-http-1.0",
    "MUST",
    "A server MUST NOT send a response containing Transfer-Encoding unless the corresponding "
    "request indicates HTTP/1.1 (or later minor revisions)",
    "http",
)
async def no_chunks_in_http_1_0(probe: Probe) -> None:
    await probe.ordinary()
    response = await probe.exchange(probe.request(version="HTTP/1.0"), body=False)
    if response.all("transfer-encoding"):
        raise Failed(f"got Transfer-Encoding: {response.get('transfer-encoding')}")


@case(
    "rfc9112/6.2/not-both-in-response",
    "MUST",
    "A sender MUST NOT send a Content-Length header field in any message that contains a "
    "Transfer-Encoding header field",
    "http",
)
async def not_both_in_response(probe: Probe) -> None:
    response = await probe.ordinary()
    if response.all("transfer-encoding") and response.all("content-length"):
        raise Failed("got both Content-Length and Transfer-Encoding")


@case(
    "rfc9112/6.3/response-is-framed",
    "MUST",
    "The length of a message body is determined by … (chunks, Content-Length, or the end of the "
    "connection)",
    "http",
)
async def response_is_framed(probe: Probe) -> None:
    await probe.ordinary()
    # Everything after the body, up to the end of the connection, must be nothing.
    async with probe.connect() as connection:
        await connection.send(probe.request(CLOSE))
        response = await connection.response()
        if not response.whole:
            raise Skipped("the response does not end")
        if rest := await _rest(connection):
            raise Failed(f"got {rest[:40]!r} after the body")


async def _rest(connection: Connection) -> bytes:
    try:
        return await connection.rest()
    except TimedOut:
        return b""


CHUNKS = "A recipient MUST be able to parse and decode the chunked transfer coding"
VALID_CHUNKS = {
    "chunks": (CHUNKS, b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
    "size-in-upper-case": (CHUNKS, b"A\r\n{        }\r\n0\r\n\r\n"),
    "size-with-leading-zeros": (CHUNKS, b"0002\r\n{}\r\n000\r\n\r\n"),
}
EXTENSION = "A recipient MUST ignore unrecognized chunk extensions"
VALID_EXTENSIONS = {
    "extension": (EXTENSION, b"2;name=value\r\n{}\r\n0\r\n\r\n"),
    "quoted-extension": (EXTENSION, b'2;name="a b;c"\r\n{}\r\n0;x\r\n\r\n'),
}
TRAILERS = "A recipient that removes the chunked coding from a message MAY selectively retain or "
VALID_TRAILERS = {
    "trailers": (f"{TRAILERS}discard the received trailer fields", b"0\r\nX-Trailer: y\r\n\r\n"),
}


async def _reads_chunks(body: bytes, probe: Probe) -> None:
    """Check that a chunked body ends where it ends: the next request is answered as usual."""
    expected = await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request("Transfer-Encoding: chunked", body=body))
        first = await connection.response()
        if first.status in (411, 413, 501):
            raise Skipped(f"the server takes no chunked body with GET: {first.status}")
        if "close" in first.tokens("connection"):
            raise Skipped("the server announces that it closes the connection")
        await connection.send(probe.request(CLOSE))
        second = await connection.response()
    for response in (first, second):
        if response.status != expected.status:
            raise Failed(f"expected status {expected.status}; got {response.status}")


for section, table in (
    ("7.1", VALID_CHUNKS),
    ("7.1.1", VALID_EXTENSIONS),
    ("7.1.2", VALID_TRAILERS),
):
    for name, (sentence, body) in table.items():
        case(f"rfc9112/{section}/{name}", "MUST", sentence, "http")(partial(_reads_chunks, body))

CASE_INSENSITIVE = "transfer-coding names are case-insensitive"


@case("rfc9112/7/coding-in-upper-case", "MUST", CASE_INSENSITIVE, "http")
async def coding_in_upper_case(probe: Probe) -> None:
    expected = await probe.finite()
    data = probe.request("Transfer-Encoding: CHUNKED", CLOSE, body=b"2\r\n{}\r\n0\r\n\r\n")
    response = await probe.exchange(data)
    if response.status not in (expected.status, 411):
        raise Failed(f"expected status {expected.status}; got {response.status}")


UNREAD = (
    "A server MUST read the entire request message body or close the connection after sending its "
    "response; otherwise, the remaining data … would be misinterpreted as the next request"
)
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


for name, body in BROKEN_CHUNKS.items():
    case(f"rfc9112/9.3/chunk-{name}", "MUST", UNREAD, "http")(partial(_broken_chunks, body))


OVERFLOW = (
    "a recipient MUST anticipate potentially large decimal numerals and prevent parsing errors due "
    "to integer conversion overflows"
)
CHUNK_OVERFLOW = (
    "Recipients MUST anticipate potentially large hexadecimal numerals and prevent parsing errors "
    "due to integer conversion overflows"
)


async def _overflow(field: str, body: bytes, probe: Probe) -> None:
    """Check that a length of 2 modulo 2**64 is not taken for 2: the next request gets no answer."""
    await probe.finite()
    async with probe.connect() as connection:
        await connection.send(probe.request(field, body=body) + probe.request())
        try:
            await connection.response()
            second = await connection.response()
        except NoResponse:  # it waits for the body, or has closed the connection
            return
        raise Failed(
            f"the end of the body was found: the next request was answered {second.status}"
        )


case("rfc9110/8.6/length-beyond-64-bits", "MUST", OVERFLOW, "http")(
    partial(_overflow, f"Content-Length: {2**64 + 2}", b"{}")
)
case("rfc9112/7.1/size-beyond-64-bits", "MUST", CHUNK_OVERFLOW, "http")(
    partial(_overflow, "Transfer-Encoding: chunked", b"10000000000000002\r\n{}\r\n0\r\n\r\n")
)


# RFC 9112 §9: connections


@case(
    "rfc9112/9.3/persistence",
    "MUST",
    "HTTP/1.1 defaults to the use of persistent connections",
    "http",
)
async def persistence(probe: Probe) -> None:
    expected = await probe.finite()
    if "close" in expected.tokens("connection"):
        raise Skipped("the server announces that it closes the connection")
    async with probe.connect() as connection:
        for number in (1, 2, 3):
            await connection.send(probe.request())
            response = await connection.response()
            if response.status != expected.status:
                raise Failed(
                    f"expected status {expected.status} for request {number} on a "
                    f"connection; got {response.status}"
                )


@case(
    "rfc9112/9.3/http-1.0-closes",
    "MUST",
    "If … the received protocol is HTTP/1.0 … (without keep-alive) the connection will close "
    "after the current response",
    "http",
)
async def http_1_0_closes(probe: Probe) -> None:
    await _answered_and_closed(probe, probe.request(version="HTTP/1.0"))


@case(
    "rfc9112/9.3.2/pipelining",
    "MUST",
    "A server … MUST send the corresponding responses in the same order that the requests were "
    "received",
    "http",
)
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
            if response.status != each.status:
                raise Failed(
                    f"expected status {each.status} for request {number}; got {response.status}"
                )
            if number < 3 and "close" in response.tokens("connection"):
                raise Skipped("the server announces that it closes the connection")


CLOSES = (
    'A server that receives a "close" connection option MUST initiate closure of the connection '
    "after it sends the final response"
)
CLOSE_OPTIONS = {"close": "close", "close-in-mixed-case": "Close", "close-in-a-list": "x, close"}


async def _close_option(option: str, probe: Probe) -> None:
    await _answered_and_closed(probe, probe.request(f"Connection: {option}"))


for name, option in CLOSE_OPTIONS.items():
    case(f"rfc9112/9.6/{name}", "MUST", CLOSES, "http")(partial(_close_option, option))


@case(
    "rfc9112/9.6/close-is-announced",
    "SHOULD",
    'The server SHOULD send a "close" connection option in its final response on that connection',
    "http",
)
async def close_is_announced(probe: Probe) -> None:
    await probe.finite()
    response = await probe.exchange(probe.request(CLOSE))
    if "close" not in response.tokens("connection"):
        raise Failed(f"expected Connection: close; got {response.get('connection')!r}")


@case(
    "rfc9112/9.6/half-close",
    "SHOULD",
    "a half-close … (a client that has sent its whole request and closes its direction still "
    "receives the response)",
    "http",
)
async def half_close(probe: Probe) -> None:
    expected = await probe.finite()
    for _ in range(HALF_CLOSES):
        async with probe.connect() as connection:
            await connection.send(probe.request())
            connection.half_close()
            response = await connection.response()
            if response.status != expected.status:
                raise Failed(f"expected status {expected.status}; got {response.status}")


# RFC 9110: methods, status codes and fields


@case(
    "rfc9110/6.6.1/date-is-valid",
    "MUST",
    "A sender that generates timestamps … MUST generate those timestamps in the IMF-fixdate "
    "format (§5.6.7)",
    "http",
)
async def date_is_valid(probe: Probe) -> None:
    response = await probe.ordinary()
    dates = response.all("date")
    if not dates:
        raise Skipped("the response has no Date; rfc9110/6.6.1/date checks that")
    if len(dates) > 1:
        raise Failed(f"expected one Date; got {len(dates)}")
    day = r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    if not re.fullmatch(day, dates[0]):
        raise Failed(f"expected a date such as 'Sun, 06 Nov 1994 08:49:37 GMT'; got {dates[0]!r}")
    parsedate_to_datetime(dates[0])


DATE = (
    "An origin server with a clock MUST generate a Date header field in all 2xx (Successful), 3xx "
    "(Redirection), and 4xx (Client Error) responses"
)


@case("rfc9110/6.6.1/date-of-404", "MUST", DATE, "http")
async def date_of_404(probe: Probe) -> None:
    response = await probe.exchange(probe.request(target="/conformance-no-such-path"), body=False)
    if not response.all("date"):
        raise Failed(f"a {response.status} without Date")


@case("rfc9110/6.6.1/date-of-405", "MUST", DATE, "http")
async def date_of_405(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="CONFORMANCE"), body=False)
    if response.status < 500 and not response.all("date"):
        raise Failed(f"a {response.status} without Date")


@case(
    "rfc9110/7.8/upgrade-in-http-1.0",
    "MUST",
    "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request",
    "http",
)
async def upgrade_in_http_1_0(probe: Probe) -> None:
    fields = ("Upgrade: websocket", UPGRADE)
    await as_ordinary(probe, probe.request(*fields, version="HTTP/1.0"))


@case(
    "rfc9110/7.8/unknown-upgrade",
    "MUST",
    "A server MUST NOT switch to a protocol that was not indicated by the client in the "
    "corresponding request's Upgrade header field",
    "http",
)
async def unknown_upgrade(probe: Probe) -> None:
    data = probe.request("Upgrade: unknown/1", UPGRADE)
    response = await probe.exchange(data, body=False)
    if response.status == 101:
        raise Failed("got 101 for an unknown protocol")


IGNORED = "A server MAY ignore a received Upgrade header field (and should then answer as without)"
IGNORED_UPGRADES = {
    "unknown-upgrade-is-ignored": ("Upgrade: unknown/1", UPGRADE),
    "h2c-upgrade-is-ignored": (
        "Upgrade: h2c",
        "Connection: Upgrade, HTTP2-Settings",
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    ),
    "upgrade-without-connection": ("Upgrade: websocket",),
}


async def _ignored_upgrade(fields: tuple[str, ...], probe: Probe) -> None:
    expected = await probe.ordinary()
    response = await probe.exchange(probe.request(*fields), body=False)
    if response.status == 101 and "h2c" in response.tokens("upgrade"):
        raise Skipped("the server speaks HTTP/2")
    if response.status != expected.status:
        raise Failed(f"expected status {expected.status} as without Upgrade; got {response.status}")


for name, fields in IGNORED_UPGRADES.items():
    case(f"rfc9110/7.8/{name}", "SHOULD", IGNORED, "http")(partial(_ignored_upgrade, fields))


@case(
    "rfc9110/8.3/content-type",
    "SHOULD",
    "A sender that generates a message containing content SHOULD generate a Content-Type header "
    "field",
    "http",
)
async def content_type(probe: Probe) -> None:
    response = await probe.ordinary()
    if response.body and not response.media_type:
        raise Failed("the response has content, but no Content-Type")


@case(
    "rfc9110/9.1/method-is-case-sensitive",
    "MUST",
    "The method token is case-sensitive",
    "http",
)
async def method_is_case_sensitive(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="get"), body=False)
    if response.status < 400:
        raise Failed(f"'get' was answered as GET, with {response.status}")


@case(
    "rfc9110/9.1/unknown-method",
    "SHOULD",
    "a request method that is unrecognized or not implemented … SHOULD respond with the 501 … "
    "recognized … but not allowed for the target resource … 405",
    "http",
)
async def unknown_method(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="CONFORMANCE"), body=False)
    if response.status not in (405, 501):
        raise Failed(f"expected status 405 or 501; got {response.status}")


@case(
    "rfc9110/9.3.2/head-has-no-content",
    "MUST",
    "the server MUST NOT send content in the response",
    "http",
)
async def head_has_no_content(probe: Probe) -> None:
    async with probe.connect() as connection:
        await connection.send(probe.request(CLOSE, method="HEAD"))
        await connection.response("HEAD")
        if rest := await _rest(connection):
            raise Failed(f"got {rest[:40]!r} after the head")


@case(
    "rfc9110/9.3.2/head-has-the-fields-of-get",
    "SHOULD",
    "The server SHOULD send the same header fields in response to a HEAD request as it would have "
    "sent if the request method had been GET",
    "http",
)
async def head_has_the_fields_of_get(probe: Probe) -> None:
    response = await as_ordinary(probe, probe.request(CLOSE, method="HEAD"), method="HEAD")
    expected = (await probe.ordinary()).get("content-type")
    if response.get("content-type") != expected:
        raise Failed(f"expected Content-Type: {expected}; got {response.get('content-type')!r}")


CONTINUE = (
    "an origin server MUST send either: an immediate response with a final status code … or an "
    "immediate 100 (Continue) response"
)


@case("rfc9110/10.1.1/continue", "MUST", CONTINUE, "http")
async def expect_continue(probe: Probe) -> None:
    async with probe.connect() as connection:
        await connection.send(probe.request("Expect: 100-continue", "Content-Length: 2"))
        try:
            response = await connection.head()
        except TimedOut as error:
            raise Failed("neither 100 nor a final response before the body") from error
        if response.status != 100 and response.status < 200:
            raise Failed(f"expected 100 or a final response; got {response.status}")


@case(
    "rfc9110/10.1.1/no-continue-in-http-1.0",
    "MUST",
    "A server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore that "
    "expectation",
    "http",
)
async def no_continue_in_http_1_0(probe: Probe) -> None:
    await probe.ordinary()
    fields = ("Expect: 100-continue", "Content-Length: 2")
    data = probe.request(*fields, version="HTTP/1.0", body=b"{}")
    async with probe.connect() as connection:
        await connection.send(data)
        response = await connection.head()
    if response.status == 100:
        raise Failed("got 100 for an HTTP/1.0 request")


@case(
    "rfc9110/15.5.6/allow",
    "MUST",
    "The origin server MUST generate an Allow header field in a 405 response",
    "http",
)
async def allow(probe: Probe) -> None:
    response = await probe.exchange(probe.request(method="CONFORMANCE"), body=False)
    if response.status != 405:
        raise Skipped(f"an unknown method is answered {response.status}")
    if not response.all("allow"):
        raise Failed("a 405 without Allow")
