"""The server, over real sockets: `tests/server_apps.py` in a process of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from realtime_demo.server import core

from .live import LiveServer
from .program import ROOT
from .waiting import BOUND, in_time

APPLICATION = "tests.server_apps:application"
KEY = base64.b64encode(b"sixteen bytes...").decode()
BODY_SIZE = 65_536


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(APPLICATION) as live_server:
        yield live_server


class Raw:
    """A TCP connection, as the bytes that go over it."""

    def __init__(
        self,
        server: LiveServer,
        *,
        receive_buffer: int = 0,
        connection: socket.socket | None = None,
    ) -> None:
        self.buffer = b""
        if connection:
            self.socket = connection
            return
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", server.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> Self:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def get(self, path: str, *headers: str, version: str = "1.1", method: str = "GET") -> Self:
        return self.send(
            "\r\n".join([f"{method} {path} HTTP/{version}", "Host: demo", *headers, "", ""])
        )

    def upgrade(self, path: str) -> Self:
        """A WebSocket handshake, whole."""
        self.get(
            path,
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {KEY}",
            "Sec-WebSocket-Version: 13",
        )
        head = self.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        accept = hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert base64.b64encode(accept) in head
        return self

    def frame(self, first: int, payload: bytes) -> Self:
        """A masked frame, of less than 126 bytes; its first byte is FIN and the opcode."""
        mask = b"mask"
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        return self.send(bytes([first, 0x80 | len(payload)]) + mask + masked)

    def message(self) -> tuple[int, bytes]:
        """A frame's first byte and its payload."""
        first, length = self.exactly(2)
        if length > 125:
            kind, size = ("!H", 2) if length == 126 else ("!Q", 8)
            (length,) = struct.unpack(kind, self.exactly(size))
        return first, self.exactly(length)

    def until(self, mark: bytes) -> bytes:
        """What comes up to `mark`, and that."""
        while mark not in self.buffer:
            data = self.socket.recv(65_536)
            assert data, f"closed before {mark!r}; there is {self.buffer[-200:]!r}"
            self.buffer += data
        found, self.buffer = self.buffer.split(mark, 1)
        return found + mark

    def exactly(self, length: int) -> bytes:
        while len(self.buffer) < length:
            data = self.socket.recv(65_536)
            assert data, f"closed after {len(self.buffer)} of {length} bytes"
            self.buffer += data
        found, self.buffer = self.buffer[:length], self.buffer[length:]
        return found

    def to_the_end(self) -> bytes:
        """All that comes until the server closes the connection."""
        parts = [self.buffer]
        self.buffer = b""
        while data := self.socket.recv(65_536):
            parts.append(data)
        return b"".join(parts)

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a response that has a length."""
        status, headers = self.head()
        return status, headers, self.exactly(int(headers["content-length"]))

    def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self.until(b"\r\n\r\n").decode().rstrip().split("\r\n")
        assert first.startswith("HTTP/1.")
        fields = (line.split(": ", 1) for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, value in fields}


def eventually(condition: Callable[[], bool], seconds: float = BOUND) -> None:
    """Return once `condition` holds; fail if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


def counters(server: LiveServer) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{server.url}/counters").json()
    return found


def resident(server: LiveServer) -> int:
    """Bytes of memory of the server's process."""
    return int(psutil.Process(server.pid).memory_info().rss)


def assert_problem(status: int, headers: dict[str, str], body: bytes, expected: int) -> None:
    problem = json.loads(body)
    assert status == problem["status"] == expected
    assert headers["content-type"] == "application/problem+json"
    assert problem["type"] == "about:blank"
    assert problem["title"] and problem["code"] and problem["detail"]


# Responses


def test_connection_is_reused_after_a_response_and_after_the_end_of_a_stream(
    server: LiveServer,
) -> None:
    with Raw(server) as client:
        assert client.get("/hello").response()[2] == b"hello"
        status, headers = client.get("/numbers").head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        client.until(b"0\r\n\r\n")
        assert client.get("/hello").response()[2] == b"hello"


def test_chunks_are_exact(server: LiveServer) -> None:
    lengths = [1, 15, 16, 255, 256, 4096, 65_536]
    expected = b"".join(b"%x\r\n%b\r\n" % (length, b"x" * length) for length in lengths)
    with Raw(server) as client:
        client.get("/chunks", "Connection: close").head()
        assert client.to_the_end() == expected + b"3\r\nend\r\n0\r\n\r\n"


def test_pipelined_requests_are_answered_in_order(server: LiveServer) -> None:
    with Raw(server) as client:
        client.get("/numbers?count=1").get("/hello").get("/numbers?count=2").get("/version")
        client.until(b"8\r\n0000000\n\r\n0\r\n\r\n")
        assert client.response()[2] == b"hello"
        client.until(b"8\r\n0000000\n\r\n8\r\n0000001\n\r\n0\r\n\r\n")
        assert client.response()[2] == b"1.1"


def test_http_1_0_stream_ends_with_the_connection(server: LiveServer) -> None:
    with Raw(server) as client:
        headers = client.get("/numbers", version="1.0").head()[1]
        assert "transfer-encoding" not in headers
        assert client.to_the_end() == b"0000000\n0000001\n0000002\n"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_scope_tells_the_http_version(server: LiveServer, version: str) -> None:
    with Raw(server) as client:
        assert client.get("/version", version=version).response()[2] == version.encode()


def test_head_has_no_body(server: LiveServer) -> None:
    with Raw(server) as client:
        client.get("/numbers", method="HEAD").get("/hello").head()
        assert client.response()[2] == b"hello"


def test_application_that_says_close_is_taken_at_its_word(server: LiveServer) -> None:
    with Raw(server) as client:
        assert client.get("/asked_close").response()[1]["connection"] == "close"
        assert client.to_the_end() == b""


@pytest.mark.parametrize(
    "path", ["/numbers?count=300&size=20000", "/numbers?count=3000&size=2000", "/big?size=6000000"]
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_slow_reader_receives_every_byte_in_order(
    server: LiveServer, path: str, version: str
) -> None:
    with Raw(server, receive_buffer=4096) as client:
        headers = client.get(path, "Connection: close", version=version).head()[1]
        received = client.to_the_end()
    if "transfer-encoding" in headers:
        received = unchunk(received)
    if path.startswith("/big"):
        assert received == b"b" * 6_000_000
    else:
        lines = received.splitlines()
        assert [int(line[-9:]) for line in lines] == list(range(len(lines)))
        assert len(received) == 6_000_000


def unchunk(data: bytes) -> bytes:
    parts = []
    while True:
        size, data = data.split(b"\r\n", 1)
        length = int(size, 16)
        assert data[length : length + 2] == b"\r\n"
        parts.append(data[:length])
        data = data[length + 2 :]
        if not length:
            assert data == b""
            return b"".join(parts)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, in two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "demo")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that listens with TLS and on a UNIX socket too."""
    folder = tmp_path_factory.mktemp("endpoints")
    certificate, key = self_signed(folder)
    tls = f"ssl:port=0:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    with LiveServer(APPLICATION, "-e", tls, "-u", str(folder / "socket")) as server:
        eventually(lambda: "Listening on unix:" in server.output())
        yield server


def tls_socket(server: LiveServer) -> socket.socket:
    (port,) = re.findall(r"https://127\.0\.0\.1:(\d+)/", server.output())
    (certificate,) = re.findall(r"certKey=([^,\s]+)", server.output())
    context = ssl.create_default_context(cafile=certificate)
    connection = socket.create_connection(("127.0.0.1", int(port)), timeout=10)
    return context.wrap_socket(connection, server_hostname="127.0.0.1")


def unix_socket(server: LiveServer) -> socket.socket:
    (path,) = re.findall(r"Listening on unix:(\S+)", server.output())
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(path)
    return connection


@pytest.mark.parametrize("open_socket", [tls_socket, unix_socket])
def test_other_endpoints_serve_the_same(
    endpoints: LiveServer, open_socket: Callable[[LiveServer], socket.socket]
) -> None:
    with Raw(endpoints, connection=open_socket(endpoints)) as client:
        client.get("/numbers?count=300&size=20000").head()
        for number in range(300):
            assert client.exactly(6) == b"4e20\r\n"
            assert int(client.exactly(20_002)[-12:]) == number
        client.until(b"0\r\n\r\n")
        client.upgrade("/ws/numbers?count=300&size=20000")
        for number in range(300):
            assert client.exactly(4) == struct.pack("!BBH", 0x81, 126, 20_000)
            assert client.exactly(20_000) == b"%020000d" % number
    before = resident(endpoints)
    with Raw(endpoints, connection=open_socket(endpoints)) as client:
        client.get("/flood").until(b"\r\n\r\n")
        assert_stands_still(endpoints, "flood", before)


# Frames


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_are_exact(server: LiveServer, length: int) -> None:
    extended = (
        bytes([length])
        if length < 126
        else struct.pack("!BH", 126, length)
        if length < 65_536
        else struct.pack("!BQ", 127, length)
    )
    with Raw(server) as client:
        client.upgrade("/ws/sizes").frame(0x81, str(length).encode())
        for first, byte in ((b"\x81", b"t"), (b"\x82", b"b")):
            frame = first + extended + byte * length
            assert client.exactly(len(frame)) == frame


@pytest.mark.parametrize("message", ["", "ascii", "Grüße, 世界 🌍", b"", b"\x00\xff"])
def test_messages_come_back_as_they_went(server: LiveServer, message: str | bytes) -> None:
    with connect(f"{server.ws_url}/ws/echo") as socket:
        socket.send(message)
        assert socket.recv(10) == message


def test_fragmented_message_arrives_whole(server: LiveServer) -> None:
    with Raw(server) as client:
        client.upgrade("/ws/echo")
        # A ping between the fragments, and a character cut in two (RFC 6455 §5.4, §5.6).
        client.frame(0x01, b"one \xc3").frame(0x89, b"ping").frame(0x00, b"\xa9 ")
        client.frame(0x80, b"three")
        assert client.exactly(6) == b"\x8a\x04ping"
        assert client.exactly(14) == b"\x81\x0cone \xc3\xa9 three"


@pytest.mark.parametrize("size", [2000, 20_000])
def test_slow_socket_receives_every_message_in_order(server: LiveServer, size: int) -> None:
    count = 6_000_000 // size
    with Raw(server, receive_buffer=4096) as client:
        client.upgrade(f"/ws/numbers?count={count}&size={size}")
        for number in range(count):
            assert client.exactly(4) == struct.pack("!BBH", 0x81, 126, size)
            assert client.exactly(size) == b"%0*d" % (size, number)
        assert client.exactly(4) == b"\x88\x02" + struct.pack("!H", 1000)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 4000, 4999])
def test_close_has_its_code_and_as_much_of_its_reason_as_fits(
    server: LiveServer, code: int
) -> None:
    with connect(f"{server.ws_url}/ws/close?code={code}") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, "é" * 61)
    # What is sent after the close is swallowed: its application does not fail.
    eventually(lambda: f"{code} swallowed" in server.output())


def test_closing_handshake_ends_without_a_reset(server: LiveServer) -> None:
    with Raw(server) as client:
        client.upgrade("/ws/close?code=4000").until(b"\x0f\xa0" + "é".encode() * 60)
        client.exactly(2)  # the last é
        client.frame(0x88, b"\x0f\xa0")
        assert client.to_the_end() == b""


def test_socket_whose_application_fails_is_closed_with_1011(server: LiveServer) -> None:
    with connect(f"{server.ws_url}/ws/raises") as socket:
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011


def test_refused_handshake_is_a_problem(server: LiveServer) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        connect(f"{server.ws_url}/ws/refuse")
    response = refusal.value.response
    assert_problem(
        response.status_code,
        {name.lower(): value for name, value in response.headers.raw_items()},
        bytes(response.body or b""),
        403,
    )


def test_handshake_that_is_not_answered_in_time_is_refused() -> None:
    with (
        LiveServer(APPLICATION, "--websocket_connect_timeout", "1") as server,
        pytest.raises(InvalidStatus) as refusal,
    ):
        connect(f"{server.ws_url}/ws/unanswered")
    assert refusal.value.response.status_code == 503
    assert refusal.value.response.headers["Retry-After"] == "1"


# Back-pressure


@contextmanager
def unread_stream(server: LiveServer) -> Iterator[None]:
    with Raw(server) as client:
        client.get("/flood").until(b"\r\n\r\n")
        yield


@contextmanager
def unread_socket(server: LiveServer) -> Iterator[None]:
    with Raw(server) as client:
        client.upgrade("/ws/flood")
        yield


@contextmanager
def unread_http_1_0_stream(server: LiveServer) -> Iterator[None]:
    with Raw(server) as client:
        client.get("/flood", version="1.0").until(b"\r\n\r\n")
        yield


def assert_stands_still(server: LiveServer, name: str, before: int) -> None:
    """An application that would send for ever comes to wait, and the server has not grown."""
    last, since = -1, 0.0

    def stands_still() -> bool:
        nonlocal last, since
        assert resident(server) - before < 8_000_000
        now = counters(server).get(name, 0)
        if now != last:
            last, since = now, time.monotonic()
        return now > 0 and time.monotonic() - since > 0.5

    eventually(stands_still)
    assert resident(server) - before < 8_000_000


@pytest.mark.parametrize(
    ("unread", "name"),
    [
        (unread_stream, "flood"),
        (unread_http_1_0_stream, "flood"),
        (unread_socket, "ws_flood"),
    ],
)
def test_client_that_does_not_read_stops_its_application(
    unread: Callable[[LiveServer], AbstractContextManager[None]], name: str
) -> None:
    with LiveServer(APPLICATION) as server:
        counters(server)
        before = resident(server)
        with unread(server):
            assert_stands_still(server, name, before)
            assert f"{name} ended" not in counters(server)
        # And it goes on, to find the client gone, once the connection is closed.
        eventually(lambda: f"{name} ended" in counters(server))


def test_pipelined_responses_that_are_not_read_do_not_pile_up() -> None:
    requests = 400
    with LiveServer(APPLICATION) as server, Raw(server) as client:
        counters(server)
        before = resident(server)
        for _ in range(requests):
            client.get("/big?size=200000")
        assert httpx.get(f"{server.url}/hello").text == "hello"
        assert resident(server) - before < 8_000_000
        for _ in range(requests):
            assert len(client.response()[2]) == 200_000
        assert resident(server) - before < 8_000_000


def test_client_that_sends_faster_than_its_application_receives_is_not_read() -> None:
    message = b"m" * 60_000
    frame = struct.pack("!BBH", 0x82, 0x80 | 126, len(message)) + b"\0\0\0\0" + message
    with LiveServer(APPLICATION) as server, Raw(server) as client:
        client.upgrade("/ws/never/receives")
        before = resident(server)
        client.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            for _ in range(2000):  # 120 MB
                client.send(frame)
        assert resident(server) - before < 8_000_000


def test_senders_to_a_client_that_does_not_read_wait_and_then_take_turns() -> None:
    count = 20
    with LiveServer(APPLICATION) as server, Raw(server, receive_buffer=65_536) as client:
        client.upgrade(f"/ws/senders?count={count}&size=1000000")
        assert client.message() == (0x81, b"ready")
        before = resident(server)
        client.frame(0x81, b"go")
        counters(server)  # by the time of this answer all have begun to send
        assert resident(server) - before < 8_000_000
        received = dict.fromkeys(range(count), 0)
        for _ in range(3 * count):
            received[int(client.message()[1][-9:])] += 1
            # Who has written may once be ready again before the next in turn.
            assert max(received.values()) - min(received.values()) <= 2
        assert resident(server) - before < 8_000_000
        assert client.message() == (0x88, struct.pack("!H", 1000))


def test_pings_of_a_client_that_does_not_read_do_not_pile_up() -> None:
    with LiveServer(APPLICATION) as server, Raw(server) as client:
        counters(server)
        before = resident(server)
        client.upgrade("/ws/flood")
        assert_stands_still(server, "ws_flood", before)
        for payload in (b"first", b"second", b"latest"):
            client.frame(0x89, payload)
        counters(server)  # by the time of this answer the server has read them
        pongs = []
        while b"latest" not in pongs:
            first, payload = client.message()
            if first == 0x8A:
                pongs.append(payload)
        assert pongs == [b"latest"]  # RFC 6455 §5.5.3
        thousand = (b"\x89\xfd" + b"\0\0\0\0" + b"p" * 125) * 1000
        for _ in range(100):  # 13 MB
            client.send(thousand)
        assert resident(server) - before < 8_000_000


# Limits


def test_connections_past_the_cap_are_refused_until_one_closes() -> None:
    with (
        LiveServer(APPLICATION, env={"MAX_CONNECTIONS": "3"}) as server,
        Raw(server) as stream,
        Raw(server),
        connect(f"{server.ws_url}/ws/echo") as websocket,
    ):
        stream.get("/stream").until(b"first\n")
        with Raw(server) as refused:
            status, headers, body = refused.get("/hello").response()
            assert_problem(status, headers, body, 503)
            assert (headers["retry-after"], headers["connection"]) == ("1", "close")
            assert refused.to_the_end() == b""
        with pytest.raises(InvalidStatus) as refusal:
            connect(f"{server.ws_url}/ws/echo")
        assert refusal.value.response.status_code == 503
        with Raw(server) as silent:  # not held long, though it never asks for anything
            assert silent.to_the_end() == b""
        # Those within the cap are served on.
        websocket.send("still here")
        assert websocket.recv(10) == "still here"
        stream.socket.close()
        eventually(lambda: httpx.get(f"{server.url}/hello").status_code == 200)


def test_announced_body_that_is_too_large_is_refused_before_it_is_sent(server: LiveServer) -> None:
    with Raw(server) as client:
        client.get(
            "/echo", f"Content-Length: {BODY_SIZE + 1}", "Expect: 100-continue", method="POST"
        )
        status, headers, body = client.response()
        assert_problem(status, headers, body, 413)
        assert client.to_the_end() == b""


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
def test_announced_length_may_be_absurd(server: LiveServer, length: str) -> None:
    with Raw(server) as client:
        client.get("/echo", f"Content-Length: {length}", method="POST")
        assert client.response()[0] == 413


def test_chunked_body_is_refused_as_soon_as_it_is_too_large(server: LiveServer) -> None:
    chunk = b"%x\r\n%b\r\n" % (8192, b"c" * 8192)
    with Raw(server) as client:
        client.get("/echo", "Transfer-Encoding: chunked", method="POST").send(chunk * 8 + b"1\r\nc")
        status, headers, body = client.response()  # no last chunk was sent
        assert_problem(status, headers, body, 413)
        client.send(b"\r\n0\r\n\r\n").get("/hello")  # read, and ignored
        assert client.to_the_end() == b""


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: 8000000"])
def test_client_that_sends_its_body_regardless_can_read_the_refusal(
    server: LiveServer, header: str
) -> None:
    with Raw(server) as client:
        client.get("/echo", header, method="POST")
        for _ in range(1000):
            client.send(b"%x\r\n%b\r\n" % (8192, b"c" * 8192))
        assert client.response()[0] == 413


def test_body_of_the_very_limit_is_received(server: LiveServer) -> None:
    body = os.urandom(BODY_SIZE)
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/echo", content=body).content == body
        assert client.post("/echo", content=iter([body[:40_000], body[40_000:]])).content == body


def test_message_of_the_limit_is_received_and_one_past_it_closes_with_1009(
    server: LiveServer,
) -> None:
    with connect(f"{server.ws_url}/ws/echo", compression=None) as socket:
        socket.send("m" * BODY_SIZE)
        assert socket.recv(10) == "m" * BODY_SIZE
        socket.send(["m" * (BODY_SIZE - 10), "m" * 11])
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_request_that_drips_is_cut_off_and_an_open_stream_is_not() -> None:
    with LiveServer(APPLICATION, env={"REQUEST_TIMEOUT": "0.5"}) as server:
        in_time(0.2, lambda: drips_are_cut_off(server))


def drips_are_cut_off(server: LiveServer) -> None:
    with (
        Raw(server) as stream,
        Raw(server) as half,
        Raw(server) as idle,
        Raw(server) as drip,
    ):
        stream.get("/stream").until(b"first\n")
        half.send("POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
        idle.get("/hello").response()

        def cut() -> bool:
            try:
                drip.send("x")
            except OSError:
                return True
            return False

        drip.send("GET /")
        eventually(cut)
        assert half.to_the_end() == idle.to_the_end() == b""
        stream.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            stream.socket.recv(1)


def test_response_may_take_as_long_as_it_is_read() -> None:
    env = {"REQUEST_TIMEOUT": "0.5", "ABORT_TIMEOUT": "1"}
    size = 12_000_000  # of which the kernel takes four

    def slowly(server: LiveServer) -> None:
        with Raw(server, receive_buffer=65_536) as slow:
            begun = time.monotonic()
            slow.get(f"/big?size={size}")
            length = int(slow.head()[1]["content-length"])
            for _ in range(length // 150_000):  # 80 times
                assert slow.exactly(150_000) == b"b" * 150_000
                time.sleep(0.03)
            assert time.monotonic() - begun > 2, "several time-outs"
            assert slow.get("/hello").response()[2] == b"hello"
            assert slow.to_the_end() == b""  # idle now

    with (
        LiveServer(APPLICATION, env=env) as server,
        Raw(server, receive_buffer=65_536) as absent,
    ):
        absent.get(f"/big?size={size}")
        in_time(0.2, lambda: slowly(server))
        cut = select.poll()
        cut.register(absent.socket, 0)
        assert cut.poll(10_000)  # by a reset: there is more to read
        with pytest.raises(ConnectionResetError):
            absent.to_the_end()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: demo\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n", 400),
        (b"GET /" + b"a" * 20_000, 431),
        (b"GET /raises HTTP/1.1\r\nHost: demo\r\n\r\n", 500),
        (b"GET /silent HTTP/1.1\r\nHost: demo\r\n\r\n", 500),
        (b"GET /ws/echo HTTP/1.1\r\nUpgrade: websocket\r\nHost: demo\r\n\r\n", 400),
    ],
)
def test_errors_of_the_server_are_problems(
    server: LiveServer, request_: bytes, expected: int
) -> None:
    with Raw(server) as client:
        assert_problem(*client.send(request_).response(), expected)


def test_response_that_fails_midway_is_seen_to_be_incomplete(server: LiveServer) -> None:
    with Raw(server) as client:
        client.get("/raises/midway").head()
        assert client.to_the_end() == b"4\r\nhalf\r\n"
    with Raw(server) as client:
        client.get("/raises/midway", version="1.0").head()
        with pytest.raises(ConnectionResetError):
            client.to_the_end()


# Start and stop


def test_application_hears_of_startup_before_and_of_shutdown_after() -> None:
    with LiveServer(APPLICATION) as server:
        assert server.stop() == 0
        events = re.findall(r"lifespan\.\w+|\w+ complete|Listening on \S+", server.output())
    assert events == [
        "lifespan.startup",
        "startup complete",
        f"Listening on {server.url}/",
        "lifespan.shutdown",
        "shutdown complete",
    ]


def test_static_files_handler_passes_the_lifespan_on() -> None:
    with LiveServer("tests.server_apps:with_static_files") as server:
        assert server.stop() == 0
        assert "startup complete" in server.output()
        assert "shutdown complete" in server.output()


def test_application_without_lifespan_is_served() -> None:
    with LiveServer("tests.server_apps:without_lifespan") as server:
        assert httpx.get(f"{server.url}/hello").text == "hello"
        assert server.stop() == 0


def test_application_that_fails_to_start_is_not_served() -> None:
    with pytest.raises(AssertionError, match=r"exit code 1\b") as failure:
        LiveServer("tests.server_apps:fails_to_start").__enter__()
    (note,) = failure.value.__notes__
    assert "The application failed to start: no history today" in note
    assert "Listening" not in note
    assert "Traceback" not in note


Client = Callable[[ExitStack, LiveServer], Callable[[], object]]


def assert_idle_is_closed(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
    client = stack.enter_context(Raw(server))
    client.get("/hello").response()

    def after() -> None:
        assert client.to_the_end() == b""

    return after


def half_sent(path: str, *headers: str) -> Client:
    def before(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
        client = stack.enter_context(Raw(server))
        client.send("\r\n".join([f"POST {path} HTTP/1.1", "Host: demo", *headers]) + "\r\n")

        def after() -> None:
            assert client.to_the_end() == b""

        return after

    return before


def long_poll(path: str, expected: int) -> Client:
    def before(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
        client = stack.enter_context(Raw(server)).get(path)

        def after() -> None:
            status, headers, _ = client.response()
            assert (status, headers["connection"]) == (expected, "close")
            assert headers.get("retry-after") == ("1" if expected == 503 else None)
            assert client.to_the_end() == b""

        return after

    return before


def stream(path: str, rest: bytes) -> Client:
    def before(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
        client = stack.enter_context(Raw(server)).get(path)
        client.until(b"first\n\r\n")

        def after() -> None:
            assert client.to_the_end() == rest

        return after

    return before


def websocket(path: str, reason: str) -> Client:
    def before(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
        client = stack.enter_context(connect(f"{server.ws_url}{path}"))

        def after() -> None:
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(10)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, reason)
            assert closed.value.sent is not None and closed.value.sent.code == 1012

        return after

    return before


def unread(path: str) -> Client:
    def before(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
        client = stack.enter_context(Raw(server))
        if path.startswith("/ws"):
            client.upgrade(path)
        else:
            client.get(path).head()
        eventually(lambda: counters(server).get(path.strip("/").replace("/", "_"), 0) > 1_000_000)
        return lambda: None

    return before


def unanswered_handshake(stack: ExitStack, server: LiveServer) -> Callable[[], None]:
    client = stack.enter_context(Raw(server))
    client.get(
        "/ws/unanswered",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
    )

    def after() -> None:
        assert client.response()[0] == 503
        assert client.to_the_end() == b""

    return after


# Those whose application ends when it hears of the shutdown, and connections without one.
ORDERLY: dict[str, Client] = {
    "idle": assert_idle_is_closed,
    "half a head": half_sent("/echo"),
    "half a body": half_sent("/echo", "Content-Length: 9", "", "half"),
    "half a handshake": half_sent("/ws/echo", "Upgrade: websocket"),
    "long poll": long_poll("/longpoll", 200),
    "stream": stream("/stream", b"5\r\nlast\n\r\n0\r\n\r\n"),
    "socket": websocket("/ws/quiet", "see you soon"),
}
# Those whose application does not end by itself.
DEAF: dict[str, Client] = {
    "long poll": long_poll("/deaf/longpoll", 503),
    "stream": stream("/deaf/stream", b""),
    "socket": websocket("/ws/deaf", "service restart"),
    "handshake": unanswered_handshake,
    "unread stream": unread("/flood"),
    "unread socket": unread("/ws/flood"),
}


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("clients", [ORDERLY, DEAF], ids=["orderly", "deaf"])
def test_stop_is_orderly(clients: dict[str, Client], signal_number: int) -> None:
    with ExitStack() as stack, LiveServer(APPLICATION, stop_timeout=10) as server:
        checks = [client(stack, server) for client in clients.values()]
        # The server has read what was sent before this answer.
        assert httpx.get(f"{server.url}/hello").text == "hello"
        assert server.stop(signal_number) == 0
        for check in checks:
            check()
        assert "Traceback" not in server.output()
        assert "destroyed" not in server.output()


def test_seconds_of_a_stop_add_up_to_less_than_five() -> None:
    # A busy machine adds its own, which is why the stops above are given ten.
    assert core.GRACE + core.CLOSING + core.FLUSHING + core.CANCELLING < core.EXITING < 5


def test_a_stop_that_is_stalled_is_orderly_all_the_same() -> None:
    with LiveServer(APPLICATION) as server, Raw(server).get("/deaf/longpoll") as client:
        assert httpx.get(f"{server.url}/hello").text == "hello"
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "lifespan.shutdown" in server.output())
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(core.EXITING - core.GRACE + 0.5)
        server.process.send_signal(signal.SIGCONT)
        assert client.response()[0] == 503
        assert server.process.wait(BOUND) == 0


def test_stop_does_not_wait_for_a_thread_that_does_not_end() -> None:
    with LiveServer(APPLICATION, stop_timeout=10) as server, Raw(server) as client:
        client.get("/thread")
        eventually(lambda: "in a thread" in server.output())
        assert server.stop() == 0
        assert client.response()[0] == 503


def test_second_signal_ends_the_process_at_once() -> None:
    in_time(core.GRACE / 4, signal_twice)


def signal_twice() -> None:
    with LiveServer(APPLICATION) as server, Raw(server) as client:
        client.get("/deaf/stream").until(b"first\n")
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "lifespan.shutdown" in server.output())
        time.sleep(0.4)  # within 0.3 s it would count as the same signal
        assert server.stop() == -signal.SIGTERM


def critical(*arguments: str) -> str:
    """The one line that tells why a server with these arguments does not start."""
    refused = subprocess.run(
        [sys.executable, "-m", "realtime_demo.server", *arguments, APPLICATION],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BOUND,
    )
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if "CRITICAL" in line]
    return line


def test_port_in_use_is_told_in_one_line(server: LiveServer) -> None:
    line = critical("--port", str(server.port))
    assert f"127.0.0.1:{server.port}: it is already in use" in line
    assert f"another port, {server.port + 1} " in line


def test_unix_socket_in_use_is_told_in_one_line(endpoints: LiveServer) -> None:
    (path,) = re.findall(r"Listening on unix:(\S+)", endpoints.output())
    assert f"unix:{path}: it is already in use" in critical("-u", path)


def test_address_of_another_machine_is_told_in_one_line() -> None:
    assert "192.0.2.1:8000: Cannot assign requested address" in critical("-b", "192.0.2.1")


SERVE = """
import sys
from realtime_demo.server import serve
from tests.server_apps import application
code = serve(application, port=int(sys.argv[1]), on_ready=lambda url: print(url, flush=True))
print("stopped")
sys.exit(code)
"""


def serve_in_process(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "realtime_demo.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_serve_tells_its_url_and_returns_after_the_stop() -> None:
    with serve_in_process(0) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}hello").text == "hello"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=BOUND)
    assert (process.returncode, output) == (0, "stopped\n")
    assert "Traceback" not in errors


def test_serve_returns_at_once_if_it_cannot_listen(server: LiveServer) -> None:
    with serve_in_process(server.port) as process:
        output, errors = process.communicate(timeout=BOUND)
    assert (process.returncode, output) == (1, "stopped\n")
    assert f"127.0.0.1:{server.port}: it is already in use" in errors


def test_query_strings_are_not_logged() -> None:
    with LiveServer(APPLICATION, "-v", "2", "--access-log", "-") as server:
        httpx.get(f"{server.url}/hello?token=secret")
        httpx.get(f"{server.url}/raises?token=secret")
        with connect(f"{server.ws_url}/ws/echo?token=secret"):
            pass
        eventually(lambda: "GET /hello" in server.output() and "WSDISCONNECT" in server.output())
        assert "secret" not in server.output()


def test_access_log_is_off_unless_asked_for() -> None:
    with LiveServer(APPLICATION) as server:
        httpx.get(f"{server.url}/hello")
        server.stop()
        assert "GET" not in server.output()


# manage.py runserver


class RunServer:
    """`manage.py runserver` with the application of these tests, until the block ends."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.settings = folder / "runserver_settings.py"
        self.settings.write_text(
            "from realtime_demo.settings import *\n"
            "ASGI_APPLICATION = 'tests.server_apps.application'\n"
        )
        self.output_path = folder / "output"
        self.command = [sys.executable, "manage.py", "runserver", *arguments]
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "runserver_settings",
            "PYTHONPATH": str(folder),
            "DATABASE_PATH": str(folder / "db.sqlite3"),
            "DEBUG": "1",
        }

    def __enter__(self) -> Self:
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children():
                child.kill()
            self.process.kill()
        self.process.wait()

    def output(self) -> str:
        return self.output_path.read_text()

    def urls(self) -> list[str]:
        """Where it listens, and where it did before it was reloaded."""
        return re.findall(r"Listening on http://(\S+)/", self.output())

    def wait_until_listening(self, times: int = 1) -> str:
        eventually(lambda: len(self.urls()) == times)
        return self.urls()[-1]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("arguments", [["0"], ["0", "--noreload"]], ids=["reloader", "noreload"])
def test_runserver_stops_in_order(tmp_path: Path, arguments: list[str], signal_number: int) -> None:
    with RunServer(tmp_path, *arguments) as runserver:
        with connect(f"ws://{runserver.wait_until_listening()}/ws/quiet") as client:
            runserver.process.send_signal(signal_number)
            assert_closed_with_1012(client)
        assert runserver.process.wait(BOUND) == 0
        assert "shutdown complete" in runserver.output()
        assert "Traceback" not in runserver.output()


def test_runserver_stops_in_order_before_it_reloads(tmp_path: Path) -> None:
    with RunServer(tmp_path, "0") as runserver:
        with connect(f"ws://{runserver.wait_until_listening()}/ws/quiet") as client:
            eventually(lambda: "Watching for file changes" in runserver.output())

            def stopped() -> bool:
                if "shutdown complete" in runserver.output():
                    return True
                # The reloader compares times in its own loop, which starts when it likes.
                runserver.settings.touch()
                return False

            eventually(stopped)
            assert_closed_with_1012(client)
        runserver.wait_until_listening(times=2)
        runserver.process.send_signal(signal.SIGTERM)
        assert runserver.process.wait(BOUND) == 0


def test_runserver_tells_that_its_port_is_in_use(tmp_path: Path, server: LiveServer) -> None:
    with RunServer(tmp_path, str(server.port)) as runserver:
        assert runserver.process.wait(BOUND) == 1
        assert f"127.0.0.1:{server.port}: it is already in use" in runserver.output()


def assert_closed_with_1012(client: ClientConnection) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
