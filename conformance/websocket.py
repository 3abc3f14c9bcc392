"""The WebSocket protocol (RFC 6455)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from .case import Cases, Failed, Skipped
from .probe import Probe
from .raw import Connection, NoResponse, Response, TimedOut

CASES = Cases("websocket")
case = CASES.case
each = CASES.each

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(b"sixteen bytes...").decode()
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
NO_CODE = 1005  # a close frame without a code (RFC 6455 §7.1.5)
PROTOCOL_ERROR, INVALID_DATA = 1002, 1007
MASK = b"\x37\xfa\x21\x3d"


def handshake(
    *others: str,
    upgrade: str = "Upgrade: websocket",
    connection: str = "Connection: Upgrade",
    key: str = f"Sec-WebSocket-Key: {KEY}",
    version: str = "Sec-WebSocket-Version: 13",
) -> tuple[str, ...]:
    """Return the fields of a handshake; an empty string omits a field."""
    return tuple(filter(None, (upgrade, connection, key, version, *others)))


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


def frame(first: int, payload: bytes = b"", *, mask: bytes = MASK) -> bytes:
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
                raise Failed("the server closed the socket with {code}", code=frame.code)
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
            raise Failed("the server kept the socket open for {limit:g} s", limit=limit) from error
        except NoResponse:
            return None
        return frame

    async def closed_by(self, data: bytes) -> Frame:
        """Send `data`; return the close frame that answers it."""
        await self.send(data)
        answer = await self.close_frame()
        if answer is None:
            raise Failed("the connection ended without a close frame")
        return answer

    async def check_open(self) -> None:
        """Check that the server still answers a ping."""
        payload = secrets.token_bytes(8)
        await self.send(frame(FIN | PING, payload))
        while (await self.next(PONG)).payload != payload:
            pass


@asynccontextmanager
async def open_socket(probe: Probe, *fields: str, target: str = "") -> AsyncIterator[Socket]:
    """Open a WebSocket while the block lasts."""
    async with probe.connect() as connection:
        request = probe.request(*handshake(*fields), kind="websocket", target=target)
        await connection.send(request)
        response = await connection.response()
        response.expect(101)
        yield Socket(connection, response)


# §4: the handshake


async def _answer(probe: Probe, fields: tuple[str, ...], **parts: Any) -> Response:
    """Return the response to a handshake with these fields, and parts of `Probe.request`."""
    return await probe.exchange(probe.request(*fields, kind="websocket", **parts), body=False)


@each(
    "",
    {
        "rfc6455/4.2.1/upgrade-in-mixed-case": handshake(upgrade="Upgrade: WebSocket"),
        "rfc6455/4.2.1/connection-in-a-list": handshake(
            connection="Connection: keep-alive, Upgrade"
        ),
        "rfc6455/4.2.1/connection-in-upper-case": handshake(connection="Connection: UPGRADE"),
        "rfc6455/4.2.1/fields-in-lower-case": tuple(
            f"{name.lower()}:{value}" for name, _, value in (f.partition(":") for f in handshake())
        ),
        "rfc6455/4.2.1/unknown-field": handshake("X-Conformance: value"),
        "rfc9110/7.8/websocket-in-a-list": handshake(upgrade="Upgrade: h2c, websocket"),
        "rfc6455/9.1/unknown-extension": handshake(
            "Sec-WebSocket-Extensions: x-unknown; parameter=1"
        ),
    },
)
async def _accepted(probe: Probe, *fields: str) -> None:
    response = await _answer(probe, fields)
    response.expect(101)


@case("rfc6455/4.2.2/accept")
async def accept(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        expected = base64.b64encode(hashlib.sha1(f"{KEY}{GUID}".encode()).digest()).decode()
        if socket.response.get("sec-websocket-accept") != expected:
            value = socket.response.get("sec-websocket-accept")
            raise Failed(
                "expected Sec-WebSocket-Accept: {expected}; got {value!r}",
                expected=expected,
                value=value,
            )


@case("rfc6455/4.2.2/upgrade-fields")
async def upgrade_fields(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        upgrade = socket.response.tokens("upgrade")
        connection = socket.response.tokens("connection")
        if upgrade != ["websocket"] or "upgrade" not in connection:
            raise Failed(
                "got Upgrade: {upgrade}, Connection: {connection}",
                upgrade=upgrade,
                connection=connection,
            )


@each(
    "rfc6455/4.1/no-",
    {
        "extension-without-an-offer": "sec-websocket-extensions",
        "subprotocol-without-an-offer": "sec-websocket-protocol",
    },
)
async def _not_offered(probe: Probe, field: str) -> None:
    async with open_socket(probe) as socket:
        if socket.response.all(field):
            raise Failed("got {value!r}, which was not offered", value=socket.response.get(field))


@case("rfc6455/4.2.2/unknown-subprotocol")
async def unknown_subprotocol(probe: Probe) -> None:
    offer = "Sec-WebSocket-Protocol: x-unknown.1, x-unknown.2"
    response = await _answer(probe, handshake(offer))
    chosen = response.get("sec-websocket-protocol")
    if chosen not in ("", "x-unknown.1", "x-unknown.2"):
        raise Failed("got {value!r}, which was not offered", value=chosen)
    if response.status != 101 and not 400 <= response.status < 500:
        raise Failed("expected status 101 or a 4xx; got {status}", status=response.status)


@case("rfc6455/4.1/deflate-or-nothing")
async def deflate_or_nothing(probe: Probe) -> None:
    offer = "permessage-deflate; client_max_window_bits"
    async with open_socket(probe, f"Sec-WebSocket-Extensions: {offer}") as socket:
        chosen = socket.response.get("sec-websocket-extensions")
        if chosen and chosen.partition(";")[0].strip() != "permessage-deflate":
            raise Failed("got {value!r}, which was not offered", value=chosen)
        await socket.check_open()


REJECTED = {
    "key-missing": handshake(key=""),
    "key-empty": handshake(key="Sec-WebSocket-Key:"),
    "key-of-15-bytes": handshake(key="Sec-WebSocket-Key: c2l4dGVlbiBieXRlcy4u"),
    "key-not-base64": handshake(key=f"Sec-WebSocket-Key: {'!' * 22}=="),
    "key-twice": handshake("Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Ng=="),
    "version-missing": handshake(version=""),
    "upgrade-missing": handshake(upgrade=""),
    "upgrade-to-another-protocol": handshake(upgrade="Upgrade: websockets"),
    "connection-missing": handshake(connection=""),
    "connection-without-upgrade": handshake(connection="Connection: keep-alive"),
}


@each("rfc6455/4.2.1/", {name: (fields,) for name, fields in REJECTED.items()})
@each(
    "rfc6455/4.2.1/",
    {
        "not-with-post": (handshake("Content-Length: 0"), "POST"),
        "not-in-http-1.0": (handshake(), "GET", "HTTP/1.0"),
    },
)
async def _rejected(
    probe: Probe, fields: tuple[str, ...], method: str = "GET", version: str = "HTTP/1.1"
) -> None:
    response = await _answer(probe, fields, method=method, version=version)
    if response.status not in (*range(400, 500), 501, 505):
        raise Failed("expected a 4xx; got {status}", status=response.status)


@case("rfc6455/4.2.1/host-missing")
async def host_missing(probe: Probe) -> None:
    response = await _answer(probe, handshake(), host="")
    if response.status < 400:
        raise Failed("expected status 400; got {status}", status=response.status)


@each("rfc6455/4.2.2/version-", ("0", "8", "14", "25", "255"))
async def _version(probe: Probe, version: str) -> None:
    response = await _answer(probe, handshake(version=f"Sec-WebSocket-Version: {version}"))
    if response.status == 101 and version in ("8", "7"):
        raise Skipped("the server understands version {version}", version=version)
    if not 400 <= response.status < 500:
        raise Failed("expected a 4xx; got {status}", status=response.status)
    if "13" not in response.tokens("sec-websocket-version"):
        raise Failed("a {status} without Sec-WebSocket-Version: 13", status=response.status)


# §5: frames

MASK_BIT_ONLY = b"\0\0\0\0"

VIOLATIONS = {
    "5.1/unmasked-ping": frame(FIN | PING, b"x", mask=b""),
    "5.1/unmasked-text": frame(FIN | TEXT, b"{}", mask=b""),
    "5.1/unmasked-close": frame(FIN | CLOSE, b"\x03\xe8", mask=b""),
    "5.2/rsv1": frame(FIN | 0x40 | PING, b"x"),
    "5.2/rsv2": frame(FIN | 0x20 | PING, b"x"),
    "5.2/rsv3": frame(FIN | 0x10 | PING, b"x"),
    "5.2/length-of-63-bits": (bytes([FIN | BINARY, 0xFF]) + b"\xff" * 8 + MASK_BIT_ONLY + b"x"),
    **{
        f"5.2/opcode-{opcode:x}": frame(FIN | opcode, b"x")
        for opcode in (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
    },
    "5.4/continuation-first": frame(FIN | CONTINUATION, b"x"),
    "5.4/continuation-first-not-final": frame(CONTINUATION, b"x"),
    "5.4/text-within-a-message": frame(TEXT, b"{") + frame(FIN | TEXT, b"}"),
    "5.4/binary-within-a-message": frame(TEXT, b"{") + frame(FIN | BINARY, b"}"),
    "5.5/fragmented-ping": frame(PING, b"x"),
    "5.5/fragmented-pong": frame(PONG, b"x"),
    "5.5/fragmented-close": frame(CLOSE, b"\x03\xe8"),
    "5.5/ping-of-126-bytes": frame(FIN | PING, b"x" * 126),
    "5.5/pong-of-126-bytes": frame(FIN | PONG, b"x" * 126),
    "5.5/close-of-126-bytes": close(1000, b"x" * 124),
    "5.5.1/close-body-of-one-byte": frame(FIN | CLOSE, b"\x03"),
    "8.1/lone-continuation-byte": frame(FIN | TEXT, b"\x80"),
    "8.1/overlong": frame(FIN | TEXT, b"\xc0\xaf"),
    "8.1/surrogate": frame(FIN | TEXT, b"\xed\xa0\x80"),
    "8.1/above-u-10ffff": frame(FIN | TEXT, b"\xf4\x90\x80\x80"),
    "8.1/cut-character": frame(FIN | TEXT, b"\xe2\x82"),
    "8.1/latin-1": frame(FIN | TEXT, "é".encode("latin-1")),
    "8.1/in-fragments": (
        frame(TEXT, b"\xe2") + frame(CONTINUATION, b"\x82") + frame(FIN | CONTINUATION, b"(")
    ),
    "8.1/close-reason": close(1000, b"\xff\xfe"),
    **{f"7.4.1/code-{code}": close(code) for code in (1005, 1006, 1015)},
}


@each("rfc6455/", VIOLATIONS)
async def _violation(probe: Probe, data: bytes) -> None:
    """Check that the server ends the connection, other than by the echo of a close."""
    async with open_socket(probe) as socket:
        await socket.send(data)
        answer = await socket.close_frame()
        if answer and data[0] & 0x0F == CLOSE and answer.code not in (1002, 1007, NO_CODE):
            raise Failed(
                "the server answered with close code {code}, not 1002 or 1007", code=answer.code
            )
        if answer and not await socket.connection.ends():
            raise Failed("the server sent a close frame, but did not close the connection")


@each(
    "rfc6455/",
    {
        "5.5.1/same-code": (close(4321), 4321),
        "7.1.7/code-of-an-unmasked-frame": (VIOLATIONS["5.1/unmasked-ping"], PROTOCOL_ERROR),
        "7.1.7/code-of-a-reserved-bit": (VIOLATIONS["5.2/rsv1"], PROTOCOL_ERROR),
        "7.1.7/code-of-an-unknown-opcode": (VIOLATIONS["5.2/opcode-3"], PROTOCOL_ERROR),
        "7.1.7/code-of-a-fragment": (VIOLATIONS["5.4/continuation-first"], PROTOCOL_ERROR),
        "7.1.7/code-of-a-control-frame": (VIOLATIONS["5.5/ping-of-126-bytes"], PROTOCOL_ERROR),
        "7.1.7/code-of-invalid-utf-8": (VIOLATIONS["8.1/lone-continuation-byte"], INVALID_DATA),
        "7.1.7/code-of-a-close-reason": (VIOLATIONS["8.1/close-reason"], INVALID_DATA),
        **{f"7.4/code-{code}": (close(code), PROTOCOL_ERROR) for code in (0, 999, 1004, 5000)},
    },
)
async def _code(probe: Probe, data: bytes, code: int) -> None:
    async with open_socket(probe) as socket:
        await socket.send(data)
        answer = await socket.close_frame()
        if answer is None:
            raise Failed("the connection ended without a close frame; expected {code}", code=code)
        if answer.code != code:
            raise Failed("expected close code {code}; got {got}", code=code, got=answer.code)


@case("rfc6455/8.1/fails-fast")
async def fails_fast(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        await socket.send(frame(TEXT, b"\xff"))
        await socket.close_frame()


# §5.5.2: pings


@each(
    "rfc6455/5.",
    {
        "5.3/ping-empty": b"",
        "5.3/ping-of-one-byte": b"x",
        "5.3/ping-of-125-bytes": b"y" * 125,
        "5.3/ping-binary": bytes(range(125)),
        "5.3/ping-not-utf-8": b"\xff\xfe\x80",
        "3/mask-of-zeros": (b"payload", b"\0\0\0\0"),
        "3/mask-of-ones": (b"payload", b"\xff\xff\xff\xff"),
    },
)
async def _ping(probe: Probe, payload: bytes, mask: bytes = MASK) -> None:
    async with open_socket(probe) as socket:
        await socket.send(frame(FIN | PING, payload, mask=mask))
        pong = await socket.next(PONG)
        if pong.payload != payload:
            raise Failed(
                "expected {payload!r}; got {got!r}", payload=payload[:20], got=pong.payload[:20]
            )


@case("rfc6455/5.2/byte-by-byte")
async def byte_by_byte(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        for byte in frame(FIN | PING, b"parts"):
            await socket.send(bytes([byte]))
        if (await socket.next(PONG)).payload != b"parts":
            raise Failed("the pong has another payload")


@case("rfc6455/5.5.3/several-pings")
async def several_pings(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        await socket.send(b"".join(frame(FIN | PING, bytes([n])) for n in range(5)))
        last = -1
        while last < 4:
            payload = (await socket.next(PONG)).payload
            if payload not in [bytes([n]) for n in range(last + 1, 5)]:
                raise Failed(
                    "got a pong with {payload!r} after {last}", payload=payload[:20], last=last
                )
            last = payload[0]


def text_of(size: int) -> bytes:
    return frame(FIN | TEXT, b'{"type": "%s"}' % (b"x" * (size - len(b'{"type": ""}'))))


EURO = '{"type": "€"}'.encode()


@each(
    "rfc6455/5.",
    {
        "5.3/unsolicited-pong": frame(FIN | PONG, b"unsolicited"),
        "4/ping-within-a-message": frame(TEXT, b"{"),
    },
)
@each(
    "rfc6455/5.",
    {
        "4/fragments": (
            frame(TEXT, b'{"type"')
            + frame(CONTINUATION, b": ")
            + frame(CONTINUATION)
            + frame(FIN | CONTINUATION, b'"conformance"}')
        ),
        "6/character-across-fragments": (
            frame(TEXT, EURO[:10]) + frame(FIN | CONTINUATION, EURO[10:])
        ),
        **{f"2/text-of-{size}-bytes": text_of(size) for size in (125, 126, 127, 1_000)},
    },
    publishes=True,
)
async def _stays_open(probe: Probe, data: bytes) -> None:
    async with open_socket(probe) as socket:
        await socket.send(data)
        await socket.check_open()


@case("rfc6455/10.4/too-large")
async def too_large(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        # Send only the head of a frame of 1 TiB: a limit applies before the payload arrives.
        await socket.send(bytes([FIN | BINARY, 0xFF]) + (1 << 40).to_bytes(8, "big") + b"\0" * 4)
        answer = await socket.close_frame()
        if answer is not None and answer.code != 1009:
            raise Failed("expected close code {code}; got {got}", code=1009, got=answer.code)


# §5.5.1 and §7: closing


CODES = (1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
ECHOES = {str(code): code for code in CODES} | {"a-reason": (1000, "안녕".encode())}


@each("rfc6455/5.5.1/answers-", ECHOES)
async def _echo(probe: Probe, code: int, reason: bytes = b"") -> None:
    async with open_socket(probe) as socket:
        answer = await socket.closed_by(close(code, reason))
        if answer.code in (1002, 1007) and answer.code != code:
            raise Failed("the server answered {code} with {got}", code=code, got=answer.code)


@case("rfc6455/5.5.1/answers-an-empty-close")
async def answers_an_empty_close(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        await socket.closed_by(frame(FIN | CLOSE))


@case("rfc6455/5.5.1/closes-the-connection")
async def closes_the_connection(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        await socket.send(close(1000))
        await socket.close_frame()
        if not await socket.connection.ends():
            raise Failed("the server answered the close, but did not close the connection")


@case("rfc6455/5.5.1/nothing-after-close")
async def nothing_after_close(probe: Probe) -> None:
    async with open_socket(probe) as socket:
        await socket.closed_by(close(1000) + frame(FIN | PING, b"late"))
        try:
            after = await socket.connection.rest()
        except TimedOut as error:
            raise Failed("the server did not close the connection") from error
        if after:
            raise Failed("got {rest!r} after the close frame", rest=after[:40])
