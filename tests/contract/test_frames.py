"""WebSocket frames as bytes on the wire (RFC 6455).

tests/server/test_conformance.py has the cases of the standard that any server must pass.
"""

from __future__ import annotations

import json

import pytest

from tests.support.raw import HANDSHAKE, RawConnection, check_raw_problem, frame
from transports.registry import Technique

from .conftest import one_history

pytestmark = one_history
BODY_SIZE = 65_536


@pytest.fixture
def path(socket_technique: Technique, room: str) -> str:
    return socket_technique.url_path(room)


async def joined(connection: RawConnection, path: str) -> None:
    """Open the socket and receive its first batch."""
    await connection.upgrade(path)
    first, _ = await connection.message()
    assert first == 0x81


async def test_fragmented_message_arrives_whole(server_url: str, path: str, room: str) -> None:
    """With a ping between the fragments, and a character cut in two (§5.4, §5.5.2)."""
    document = {"type": "publish", "room": room, "sender": "ada", "text": "é"}
    text = json.dumps(document, ensure_ascii=False).encode()
    cut = text.index("é".encode()) + 1
    async with await RawConnection.open(server_url) as connection:
        await joined(connection, path)
        connection.send(frame(0x01, text[:20]) + frame(0x89, b"ping") + frame(0x00, text[20:cut]))
        connection.send(frame(0x80, text[cut:]))
        assert await connection.message() == (0x8A, b"ping")
        first, payload = await connection.message()
        (event,) = json.loads(payload)["events"]
        assert (first, event["text"]) == (0x81, "é")


@pytest.mark.parametrize("fragments", [1, 2])
async def test_message_over_the_limit_closes_the_socket(
    server_url: str, path: str, fragments: int
) -> None:
    async with await RawConnection.open(server_url) as connection:
        await joined(connection, path)
        for size in (BODY_SIZE, BODY_SIZE + 1):
            if fragments == 1:
                connection.send(frame(0x81, b"x" * size))
            else:
                connection.send(frame(0x01, b"x" * (size - 10)) + frame(0x80, b"x" * 10))
            first, payload = await connection.message()
            if size == BODY_SIZE:
                assert (first, json.loads(payload)["code"]) == (0x81, "json")
            else:
                assert (first, payload[:2]) == (0x88, (1009).to_bytes(2, "big"))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0x83, b""), 1002),  # a reserved opcode
        (frame(0xC1, b"{}"), 1002),  # a reserved bit
        (frame(0x09, b""), 1002),  # a fragmented ping
        (b"\x81\x02{}", 1002),  # not masked
        (frame(0x81, b"\xff\xfe"), 1007),  # not UTF-8
        (frame(0x81, b"\xff\xfe") + frame(0x88, b"\x03\xe8"), 1000),  # in one segment
    ],
    ids=["opcode", "reserved bit", "ping", "mask", "UTF-8", "UTF-8 and close"],
)
async def test_protocol_violation_closes_the_socket(
    server_url: str, path: str, data: bytes, code: int
) -> None:
    async with await RawConnection.open(server_url) as connection:
        await joined(connection, path)
        connection.send(data)
        first, payload = await connection.message()
        assert (first, payload[:2]) == (0x88, code.to_bytes(2, "big"))


@pytest.mark.parametrize(
    ("version", "old", "new"),
    [
        ("1.0", "", ""),  # an upgrade on HTTP/1.0 is ignored (RFC 9110 §7.8)
        ("1.1", "Connection: Upgrade", "Connection: keep-alive"),
        ("1.1", "Upgrade: websocket", "Upgrade: h2c"),
        ("1.1", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 25"),
        ("1.1", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13, 8"),
        ("1.1", "Sec-WebSocket-Version: 13", "X: y"),
    ],
)
async def test_an_incomplete_handshake_gets_426_with_the_version(
    server_url: str, path: str, version: str, old: str, new: str
) -> None:
    """RFC 6455 §4.2.2, §4.4; RFC 9110 §15.5.22."""
    headers = [new if line == old else line for line in HANDSHAKE]
    async with await RawConnection.open(server_url) as connection:
        connection.request(path, *headers, version=version)
        status, fields, _ = response = await connection.response()
        check_raw_problem(response, 426)
        assert (status, fields["sec-websocket-version"]) == (426, "13")
        assert fields["upgrade"] == "websocket"


async def test_handshake_may_offer_other_protocols(server_url: str, path: str) -> None:
    """RFC 9110 §7.8: Upgrade is a list."""
    headers = [line.replace("Upgrade: w", "Upgrade: h2c, w") for line in HANDSHAKE]
    async with await RawConnection.open(server_url) as connection:
        head = await connection.get(path, *headers)
        assert head[0].split()[1] == "101"
        assert (await connection.message())[0] == 0x81
