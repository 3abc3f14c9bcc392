"""The WebSocket protocol (RFC 6455)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from .case import Cases, Failed, Skipped
from .probe import Probe
from .raw import Connection, NoResponse, Response, TimedOut

CASES = Cases()
case = CASES.case

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(b"sixteen bytes...").decode()
UPGRADE = "Upgrade: websocket"
CONNECTION = "Connection: Upgrade"
KEY_FIELD = f"Sec-WebSocket-Key: {KEY}"
VERSION = "Sec-WebSocket-Version: 13"
HANDSHAKE = (UPGRADE, CONNECTION, KEY_FIELD, VERSION)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
NO_CODE = 1005  # a close frame without a code (RFC 6455 §7.1.5)
PROTOCOL_ERROR, INVALID_DATA = 1002, 1007


@dataclass(frozen=True)
class Frame:
    """A frame of the server; `first` is FIN, the reserved bits and the opcode (RFC 6455 §5.2)."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def code(self) -> int:
        """The code of a close frame."""
        return int.from_bytes(self.payload[:2], "big") if self.payload else NO_CODE


def frame(first: int, payload: bytes = b"", *, mask: bytes = b"\x37\xfa\x21\x3d") -> bytes:
    """Return a client's frame; without a `mask`, it is not masked."""
    size, bit = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 65_536:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload
    return bytes([first]) + length + mask + masked


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason)


class Socket:
    """An open WebSocket."""

    def __init__(self, connection: Connection, response: Response) -> None:
        self.connection = connection
        self.response = response

    async def send(self, data: bytes) -> None:
        await self.connection.send(data)

    async def frame(self) -> Frame:
        first, second = await self.connection.exactly(2)
        if second & 0x80:
            raise Failed("the server's frame is masked")
        size = second
        if size > 125:
            size = int.from_bytes(await self.connection.exactly(2 if size == 126 else 8), "big")
        return Frame(first, await self.connection.exactly(size))

    async def next(self, opcode: int) -> Frame:
        """Return the next frame with this opcode, after any data; raises `Failed` for a close."""
        while (frame := await self.frame()).opcode != opcode:
            if frame.opcode == CLOSE:
                raise Failed(f"the server closed the socket with {frame.code}")
        return frame

    async def close_frame(self) -> Frame | None:
        """Return the server's close frame; None if the connection ends without one."""
        try:
            # One limit for all frames: heartbeats must not prolong the wait.
            async with asyncio.timeout(self.connection.timeout):
                while (frame := await self.frame()).opcode != CLOSE:
                    pass
        except (TimedOut, TimeoutError) as error:
            limit = self.connection.timeout
            raise Failed(f"the server kept the socket open for {limit:g} s") from error
        except NoResponse:
            return None
        return frame

    async def is_open(self) -> None:
        """Check that the server still answers a ping."""
        payload = secrets.token_bytes(8)
        await self.send(frame(FIN | PING, payload))
        while (await self.next(PONG)).payload != payload:
            pass


@asynccontextmanager
async def opened(probe: Probe, *fields: str) -> AsyncIterator[Socket]:
    """Open a WebSocket while the block lasts."""
    async with probe.connect() as connection:
        await connection.send(probe.request(*HANDSHAKE, *fields, kind="websocket"))
        response = await connection.response()
        if response.status != 101:
            raise Failed(f"expected status 101; got {response.status}")
        yield Socket(connection, response)


# §4: the handshake


def add_handshake(
    id: str, level: str, sentence: str, fields: tuple[str, ...], **request: str
) -> None:
    """Add a case: a handshake of these `fields` is accepted."""

    async def check(probe: Probe) -> None:
        data = probe.request(*fields, kind="websocket", **request)  # type: ignore[arg-type]
        response = await probe.exchange(data, body=False)
        if response.status != 101:
            raise Failed(f"expected status 101; got {response.status}")

    case(id, level, sentence, "websocket")(check)  # type: ignore[arg-type]


CLIENT = "the client's opening handshake consists of the following parts …"
for name, fields in {
    "upgrade-in-mixed-case": ("Upgrade: WebSocket", CONNECTION, KEY_FIELD, VERSION),
    "connection-in-a-list": (UPGRADE, "Connection: keep-alive, Upgrade", KEY_FIELD, VERSION),
    "connection-in-upper-case": (UPGRADE, "Connection: UPGRADE", KEY_FIELD, VERSION),
    "fields-in-lower-case": tuple(
        f"{name.lower()}:{value}" for name, _, value in (f.partition(":") for f in HANDSHAKE)
    ),
    "unknown-field": (*HANDSHAKE, "X-Conformance: value"),
}.items():
    add_handshake(f"rfc6455/4.2.1/{name}", "MUST", CLIENT, fields)
add_handshake(
    "rfc9110/7.8/websocket-in-a-list",
    "SHOULD",
    "Upgrade = #protocol … a list of protocol names in order of descending preference",
    ("Upgrade: h2c, websocket", CONNECTION, KEY_FIELD, VERSION),
)
UNKNOWN_EXTENSION = (
    "the client is only offering to use any advertised extensions (so that a server without them "
    "opens the socket)"
)
add_handshake(
    "rfc6455/9.1/unknown-extension",
    "MUST",
    UNKNOWN_EXTENSION,
    (*HANDSHAKE, "Sec-WebSocket-Extensions: x-unknown; parameter=1"),
)


@case(
    "rfc6455/4.2.2/accept",
    "MUST",
    "A |Sec-WebSocket-Accept| header field … concatenating … with the string "
    '"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the SHA-1 hash',
    "websocket",
)
async def accept(probe: Probe) -> None:
    async with opened(probe) as socket:
        expected = base64.b64encode(hashlib.sha1(f"{KEY}{GUID}".encode()).digest()).decode()
        if socket.response.get("sec-websocket-accept") != expected:
            value = socket.response.get("sec-websocket-accept")
            raise Failed(f"expected Sec-WebSocket-Accept: {expected}; got {value!r}")


@case(
    "rfc6455/4.2.2/upgrade-fields",
    "MUST",
    'An |Upgrade| header field with value "websocket" … A |Connection| header field with value '
    '"Upgrade"',
    "websocket",
)
async def upgrade_fields(probe: Probe) -> None:
    async with opened(probe) as socket:
        upgrade = socket.response.tokens("upgrade")
        connection = socket.response.tokens("connection")
        if upgrade != ["websocket"] or "upgrade" not in connection:
            raise Failed(f"got Upgrade: {upgrade}, Connection: {connection}")


@case(
    "rfc6455/4.1/no-extension-without-an-offer",
    "MUST",
    "this header field indicates the use of an extension that was not present in the client's "
    "handshake … the client MUST _Fail the WebSocket Connection_",
    "websocket",
)
async def no_extension_without_an_offer(probe: Probe) -> None:
    async with opened(probe) as socket:
        if socket.response.all("sec-websocket-extensions"):
            raise Failed(f"got {socket.response.get('sec-websocket-extensions')}")


@case(
    "rfc6455/4.1/no-subprotocol-without-an-offer",
    "MUST",
    "this header field indicates the use of a subprotocol that was not present in the client's "
    "handshake … the client MUST _Fail the WebSocket Connection_",
    "websocket",
)
async def no_subprotocol_without_an_offer(probe: Probe) -> None:
    async with opened(probe) as socket:
        if socket.response.all("sec-websocket-protocol"):
            raise Failed(f"got {socket.response.get('sec-websocket-protocol')}")


@case(
    "rfc6455/4.2.2/unknown-subprotocol",
    "MUST",
    "The value chosen MUST be derived from the client's handshake, specifically by selecting one "
    "of the values from the |Sec-WebSocket-Protocol| field",
    "websocket",
)
async def unknown_subprotocol(probe: Probe) -> None:
    fields = (*HANDSHAKE, "Sec-WebSocket-Protocol: x-unknown.1, x-unknown.2")
    data = probe.request(*fields, kind="websocket")
    response = await probe.exchange(data, body=False)
    chosen = response.get("sec-websocket-protocol")
    if chosen not in ("", "x-unknown.1", "x-unknown.2"):
        raise Failed(f"got {chosen!r}, which was not offered")
    if response.status != 101 and not 400 <= response.status < 500:
        raise Failed(f"expected status 101 or a 4xx; got {response.status}")


@case(
    "rfc6455/4.1/deflate-or-nothing",
    "MUST",
    "this header field indicates the use of an extension that was not present in the client's "
    "handshake … the client MUST _Fail the WebSocket Connection_",
    "websocket",
)
async def deflate_or_nothing(probe: Probe) -> None:
    offer = "permessage-deflate; client_max_window_bits"
    async with opened(probe, f"Sec-WebSocket-Extensions: {offer}") as socket:
        chosen = socket.response.get("sec-websocket-extensions")
        if chosen and chosen.partition(";")[0].strip() != "permessage-deflate":
            raise Failed(f"got {chosen!r}, which was not offered")
        await socket.is_open()


NOT_A_HANDSHAKE = (
    "If the server … finds that the client did not send a handshake that matches the description "
    "… the server MUST stop processing the client's handshake and return an HTTP response with an "
    "appropriate error code (such as 400 Bad Request)"
)


async def _rejected(fields: tuple[str, ...], method: str, version: str, probe: Probe) -> None:
    data = probe.request(*fields, kind="websocket", method=method, version=version)
    response = await probe.exchange(data, body=False)
    if response.status < 400:
        raise Failed(f"expected a 4xx; got {response.status}")
    if response.status >= 500 and response.status not in (501, 505):
        raise Failed(f"expected a 4xx; got {response.status}")


for name, (level, fields) in {
    "key-missing": ("MUST", (UPGRADE, CONNECTION, VERSION)),
    "key-empty": ("MUST", (UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key:")),
    "key-of-15-bytes": (
        "MUST",
        (UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcy4u"),
    ),
    "key-not-base64": (
        "MUST",
        (UPGRADE, CONNECTION, VERSION, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="),
    ),
    "key-twice": ("MUST", (*HANDSHAKE, "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng==")),
    "version-missing": ("MUST", (UPGRADE, CONNECTION, KEY_FIELD)),
    "upgrade-missing": ("MUST", (CONNECTION, KEY_FIELD, VERSION)),
    "upgrade-to-another-protocol": (
        "MUST",
        ("Upgrade: websockets", CONNECTION, KEY_FIELD, VERSION),
    ),
    "connection-missing": ("MUST", (UPGRADE, KEY_FIELD, VERSION)),
    "connection-without-upgrade": (
        "MUST",
        (UPGRADE, "Connection: keep-alive", KEY_FIELD, VERSION),
    ),
}.items():
    case(f"rfc6455/4.2.1/{name}", level, NOT_A_HANDSHAKE, "websocket")(  # type: ignore[arg-type]
        partial(_rejected, fields, "GET", "HTTP/1.1")
    )
case("rfc6455/4.2.1/not-with-post", "MUST", "An HTTP/1.1 or higher GET request", "websocket")(
    partial(_rejected, (*HANDSHAKE, "Content-Length: 0"), "POST", "HTTP/1.1")
)
case("rfc6455/4.2.1/not-in-http-1.0", "MUST", "An HTTP/1.1 or higher GET request", "websocket")(
    partial(_rejected, HANDSHAKE, "GET", "HTTP/1.0")
)


@case(
    "rfc6455/4.2.1/host-missing",
    "MUST",
    "A |Host| header field containing the server's authority",
    "websocket",
)
async def host_missing(probe: Probe) -> None:
    data = probe.request(*HANDSHAKE, kind="websocket", host="")
    response = await probe.exchange(data, body=False)
    if response.status < 400:
        raise Failed(f"expected status 400; got {response.status}")


VERSIONS = (
    "If this version does not match a version understood by the server, the server MUST abort the "
    "WebSocket handshake … and instead send an appropriate HTTP error code (such as 426 Upgrade "
    "Required) and a |Sec-WebSocket-Version| header field indicating the version(s)"
)


async def _version(version: str, probe: Probe) -> None:
    fields = (UPGRADE, CONNECTION, KEY_FIELD, f"Sec-WebSocket-Version: {version}")
    response = await probe.exchange(probe.request(*fields, kind="websocket"), body=False)
    if response.status == 101 and version in ("8", "7"):
        raise Skipped(f"the server understands version {version}")
    if not 400 <= response.status < 500:
        raise Failed(f"expected a 4xx; got {response.status}")
    if "13" not in response.tokens("sec-websocket-version"):
        raise Failed(f"a {response.status} without Sec-WebSocket-Version: 13")


for version in ("0", "8", "14", "25", "255"):
    case(f"rfc6455/4.2.2/version-{version}", "MUST", VERSIONS, "websocket")(
        partial(_version, version)
    )

# §5: frames

MASKED = "The server MUST close the connection upon receiving a frame that is not masked"
RESERVED = (
    "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values … the "
    "receiving endpoint MUST _Fail the WebSocket Connection_"
)
OPCODE = (
    "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_"
)
CONTROL = (
    "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented"
)
LENGTHS = "an 8-byte unsigned integer (the most significant bit MUST be 0)"
FRAGMENTS = (
    "A fragmented message consists of a single frame with the FIN bit clear and an opcode other "
    "than 0, followed by zero or more frames … with the opcode set to 0, and terminated by a "
    "single frame with the FIN bit set and an opcode of 0"
)
CLOSE_BODY = "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
RESERVED_CODE = (
    "is a reserved value and MUST NOT be set as a status code in a Close control frame by an "
    "endpoint"
)
UNDEFINED_CODE = "Status codes in the range 0-999 are not used … 1004 Reserved"
UTF_8 = (
    "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is "
    "not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_"
)
MASK_BIT_ONLY = b"\0\0\0\0"

Violation = tuple[str, bytes]
VIOLATIONS: dict[str, Violation] = {
    "5.1/unmasked-ping": (MASKED, frame(FIN | PING, b"x", mask=b"")),
    "5.1/unmasked-text": (MASKED, frame(FIN | TEXT, b"{}", mask=b"")),
    "5.1/unmasked-close": (MASKED, frame(FIN | CLOSE, b"\x03\xe8", mask=b"")),
    "5.2/rsv1": (RESERVED, frame(FIN | 0x40 | PING, b"x")),
    "5.2/rsv2": (RESERVED, frame(FIN | 0x20 | PING, b"x")),
    "5.2/rsv3": (RESERVED, frame(FIN | 0x10 | PING, b"x")),
    "5.2/length-of-63-bits": (
        LENGTHS,
        bytes([FIN | BINARY, 0xFF]) + b"\xff" * 8 + MASK_BIT_ONLY + b"x",
    ),
    **{
        f"5.2/opcode-{opcode:x}": (OPCODE, frame(FIN | opcode, b"x"))
        for opcode in (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
    },
    "5.4/continuation-first": (FRAGMENTS, frame(FIN | CONTINUATION, b"x")),
    "5.4/continuation-first-not-final": (FRAGMENTS, frame(CONTINUATION, b"x")),
    "5.4/text-within-a-message": (FRAGMENTS, frame(TEXT, b"{") + frame(FIN | TEXT, b"}")),
    "5.4/binary-within-a-message": (FRAGMENTS, frame(TEXT, b"{") + frame(FIN | BINARY, b"}")),
    "5.5/fragmented-ping": (CONTROL, frame(PING, b"x")),
    "5.5/fragmented-pong": (CONTROL, frame(PONG, b"x")),
    "5.5/fragmented-close": (CONTROL, frame(CLOSE, b"\x03\xe8")),
    "5.5/ping-of-126-bytes": (CONTROL, frame(FIN | PING, b"x" * 126)),
    "5.5/pong-of-126-bytes": (CONTROL, frame(FIN | PONG, b"x" * 126)),
    "5.5/close-of-126-bytes": (CONTROL, close(1000, b"x" * 124)),
    "5.5.1/close-body-of-one-byte": (CLOSE_BODY, frame(FIN | CLOSE, b"\x03")),
    "8.1/lone-continuation-byte": (UTF_8, frame(FIN | TEXT, b"\x80")),
    "8.1/overlong": (UTF_8, frame(FIN | TEXT, b"\xc0\xaf")),
    "8.1/surrogate": (UTF_8, frame(FIN | TEXT, b"\xed\xa0\x80")),
    "8.1/above-u-10ffff": (UTF_8, frame(FIN | TEXT, b"\xf4\x90\x80\x80")),
    "8.1/cut-character": (UTF_8, frame(FIN | TEXT, b"\xe2\x82")),
    "8.1/latin-1": (UTF_8, frame(FIN | TEXT, "é".encode("latin-1"))),
    "8.1/in-fragments": (
        UTF_8,
        frame(TEXT, b"\xe2") + frame(CONTINUATION, b"\x82") + frame(FIN | CONTINUATION, b"("),
    ),
    "8.1/close-reason": (UTF_8, close(1000, b"\xff\xfe")),
    **{f"7.4.1/code-{code}": (RESERVED_CODE, close(code)) for code in (1005, 1006, 1015)},
}


async def _violation(data: bytes, probe: Probe) -> None:
    """Check that the server ends the connection, other than by the echo of a close."""
    async with opened(probe) as socket:
        await socket.send(data)
        answer = await socket.close_frame()
        if answer and data[0] & 0x0F == CLOSE and answer.code not in (1002, 1007, NO_CODE):
            raise Failed(f"the server answered with close code {answer.code}, not 1002 or 1007")
        if answer and not await socket.connection.ends():
            raise Failed("the server sent a close frame, but did not close the connection")


for name, (sentence, data) in VIOLATIONS.items():
    case(f"rfc6455/{name}", "MUST", sentence, "websocket")(partial(_violation, data))


async def _code(data: bytes, code: int, probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(data)
        answer = await socket.close_frame()
        if answer is None:
            raise Failed(f"the connection ended without a close frame; expected {code}")
        if answer.code != code:
            raise Failed(f"expected close code {code}; got {answer.code}")


FAIL = (
    "the endpoint SHOULD send a Close frame with an appropriate status code before proceeding to "
    "_Close the WebSocket Connection_"
)
for name, data, code in (
    ("code-of-an-unmasked-frame", VIOLATIONS["5.1/unmasked-ping"][1], PROTOCOL_ERROR),
    ("code-of-a-reserved-bit", VIOLATIONS["5.2/rsv1"][1], PROTOCOL_ERROR),
    ("code-of-an-unknown-opcode", VIOLATIONS["5.2/opcode-3"][1], PROTOCOL_ERROR),
    ("code-of-a-fragment", VIOLATIONS["5.4/continuation-first"][1], PROTOCOL_ERROR),
    ("code-of-a-control-frame", VIOLATIONS["5.5/ping-of-126-bytes"][1], PROTOCOL_ERROR),
    ("code-of-invalid-utf-8", VIOLATIONS["8.1/lone-continuation-byte"][1], INVALID_DATA),
    ("code-of-a-close-reason", VIOLATIONS["8.1/close-reason"][1], INVALID_DATA),
):
    case(f"rfc6455/7.1.7/{name}", "SHOULD", FAIL, "websocket")(partial(_code, data, code))
for code in (0, 999, 1004, 5000):
    case(f"rfc6455/7.4/code-{code}", "SHOULD", UNDEFINED_CODE, "websocket")(
        partial(_code, close(code), PROTOCOL_ERROR)
    )


@case(
    "rfc6455/8.1/fails-fast",
    "SHOULD",
    'a byte stream (of a message whose end has not been received; Autobahn\'s "fail-fast")',
    "websocket",
)
async def fails_fast(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(frame(TEXT, b"\xff"))
        await socket.close_frame()


# §5.5.2: pings

PINGS = {
    "empty": b"",
    "of-one-byte": b"x",
    "of-125-bytes": b"y" * 125,
    "binary": bytes(range(125)),
    "not-utf-8": b"\xff\xfe\x80",
}
PONG_SENTENCE = (
    'A Pong frame sent in response to a Ping frame must have identical "Application data" as '
    "found in the message body of the Ping frame being replied to"
)


async def _ping(payload: bytes, mask: bytes, probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(frame(FIN | PING, payload, mask=mask))
        pong = await socket.next(PONG)
        if pong.payload != payload:
            raise Failed(f"expected {payload[:20]!r}; got {pong.payload[:20]!r}")


for name, payload in PINGS.items():
    case(f"rfc6455/5.5.3/ping-{name}", "MUST", PONG_SENTENCE, "websocket")(
        partial(_ping, payload, b"\x01\x02\x03\x04")
    )
for name, mask in {"mask-of-zeros": b"\0\0\0\0", "mask-of-ones": b"\xff\xff\xff\xff"}.items():
    case(
        f"rfc6455/5.3/{name}",
        "MUST",
        "the masking key is a 32-bit value chosen at random by the client",
        "websocket",
    )(partial(_ping, b"payload", mask))


@case(
    "rfc6455/5.2/byte-by-byte",
    "MUST",
    "The data framing … (a frame may arrive in several TCP segments)",
    "websocket",
)
async def byte_by_byte(probe: Probe) -> None:
    async with opened(probe) as socket:
        for byte in frame(FIN | PING, b"parts"):
            await socket.send(bytes([byte]))
        if (await socket.next(PONG)).payload != b"parts":
            raise Failed("the pong has another payload")


@case(
    "rfc6455/5.5.3/several-pings",
    "MUST",
    "the endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame",
    "websocket",
)
async def several_pings(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(b"".join(frame(FIN | PING, bytes([n])) for n in range(5)))
        last = -1
        while last < 4:
            payload = (await socket.next(PONG)).payload
            if payload not in [bytes([n]) for n in range(last + 1, 5)]:
                raise Failed(f"got a pong with {payload[:20]!r} after {last}")
            last = payload[0]


@case(
    "rfc6455/5.5.3/unsolicited-pong",
    "MUST",
    "A response to an unsolicited Pong frame is not expected",
    "websocket",
)
async def unsolicited_pong(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(frame(FIN | PONG, b"unsolicited"))
        await socket.is_open()


@case(
    "rfc6455/5.4/ping-within-a-message",
    "MUST",
    "Control frames MAY be injected in the middle of a fragmented message",
    "websocket",
)
async def ping_within_a_message(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(frame(TEXT, b"{"))
        await socket.is_open()


@case(
    "rfc6455/5.4/fragments",
    "MUST",
    "An endpoint MUST be capable of handling … both fragmented and unfragmented messages",
    "websocket",
    publishes=True,
)
async def fragments(probe: Probe) -> None:
    async with opened(probe) as socket:
        parts = [frame(TEXT, b'{"type"'), frame(CONTINUATION, b": "), frame(CONTINUATION)]
        await socket.send(b"".join([*parts, frame(FIN | CONTINUATION, b'"conformance"}')]))
        await socket.is_open()


@case(
    "rfc6455/8.1/character-across-fragments",
    "MUST",
    "a particular text frame might include a partial UTF-8 sequence; however, the whole message "
    "MUST contain valid UTF-8 (§5.6)",
    "websocket",
    publishes=True,
)
async def character_across_fragments(probe: Probe) -> None:
    euro = '{"type": "€"}'.encode()
    async with opened(probe) as socket:
        await socket.send(frame(TEXT, euro[:10]) + frame(FIN | CONTINUATION, euro[10:]))
        await socket.is_open()


for size in (125, 126, 127, 1_000):

    async def _size(size: int, probe: Probe) -> None:
        async with opened(probe) as socket:
            text = b'{"type": "%s"}' % (b"x" * (size - len(b'{"type": ""}')))
            await socket.send(frame(FIN | TEXT, text))
            await socket.is_open()

    case(
        f"rfc6455/5.2/text-of-{size}-bytes",
        "MUST",
        "If 0-125, that is the payload length. If 126, the following 2 bytes … If 127, the "
        "following 8 bytes",
        "websocket",
        publishes=True,
    )(partial(_size, size))


@case(
    "rfc6455/10.4/too-large",
    "SHOULD",
    "Implementations that have implementation- and/or platform-specific limitations regarding the "
    "frame size … MUST protect themselves against exceeding those limits",
    "websocket",
)
async def too_large(probe: Probe) -> None:
    async with opened(probe) as socket:
        # Only the head of a frame of 1 TiB: a limit is known before the payload arrives.
        await socket.send(bytes([FIN | BINARY, 0xFF]) + (1 << 40).to_bytes(8, "big") + b"\0" * 4)
        answer = await socket.close_frame()
        if answer is not None and answer.code != 1009:
            raise Failed(f"expected close code 1009; got {answer.code}")


# §5.5.1 and §7: closing

CODES = (1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)


async def _echo(code: int, reason: bytes, probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(close(code, reason))
        answer = await socket.close_frame()
        if answer is None:
            raise Failed("the connection ended without a close frame")
        if answer.code in (1002, 1007) and answer.code != code:
            raise Failed(f"the server answered {code} with {answer.code}")


ECHO = (
    "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint "
    "MUST send a Close frame in response"
)
for code in CODES:
    case(f"rfc6455/5.5.1/answers-{code}", "MUST", ECHO, "websocket")(partial(_echo, code, b""))
case("rfc6455/5.5.1/answers-a-reason", "MUST", ECHO, "websocket")(
    partial(_echo, 1000, "안녕".encode())
)


@case("rfc6455/5.5.1/answers-an-empty-close", "MUST", ECHO, "websocket")
async def answers_an_empty_close(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(frame(FIN | CLOSE))
        answer = await socket.close_frame()
        if answer is None:
            raise Failed("the connection ended without a close frame")


@case(
    "rfc6455/5.5.1/same-code",
    "SHOULD",
    "the endpoint typically echos the status code it received",
    "websocket",
)
async def same_code(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(close(4321))
        answer = await socket.close_frame()
        if answer is None or answer.code != 4321:
            raise Failed(f"expected close code 4321; got {answer.code if answer else 'none'}")


@case(
    "rfc6455/5.5.1/closes-the-connection",
    "MUST",
    "The server MUST close the underlying TCP connection immediately",
    "websocket",
)
async def closes_the_connection(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(close(1000))
        await socket.close_frame()
        if not await socket.connection.ends():
            raise Failed("the server answered the close, but did not close the connection")


@case(
    "rfc6455/5.5.1/nothing-after-close",
    "MUST",
    "The application MUST NOT send any more data frames after sending a Close frame",
    "websocket",
)
async def nothing_after_close(probe: Probe) -> None:
    async with opened(probe) as socket:
        await socket.send(close(1000) + frame(FIN | PING, b"late"))
        if await socket.close_frame() is None:
            raise Failed("the connection ended without a close frame")
        try:
            after = await socket.connection.rest()
        except TimedOut as error:
            raise Failed("the server did not close the connection") from error
        if after:
            raise Failed(f"got {after[:40]!r} after the close frame")
