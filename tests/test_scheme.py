"""What is said of a client before its request: its scheme, and what a proxy passes on."""

from __future__ import annotations

import json
import re
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from realtime_demo.production import certificate

from .conftest import SERVER_ENVIRONMENT
from .live import OURS, LiveServer
from .program import Program
from .raw import RawConnection

pytestmark = [pytest.mark.own_server]

SOCKETS = ["/websocket/{}/", "/websocket/sync/{}/"]
TOKEN = "WyJhYmMiLDFd.c2VjcmV0"


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    # In words enough for Twisted's and autobahn's own to be among them.
    with LiveServer(OURS, "--proxy-headers", "-v", "2", env=SERVER_ENVIRONMENT) as server:
        yield server


async def opens(url: str, origin: str, **options: object) -> bool:
    try:
        async with connect(url, origin=Origin(origin), **options) as socket:  # type: ignore[arg-type]
            return "events" in json.loads(await socket.recv())
    except InvalidStatus as refused:
        assert refused.response.status_code == 403
        return False


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_page_over_tls_may_open_a_socket(path: str, tmp_path: Path, room: str) -> None:
    """Where the server speaks TLS itself, as behind a proxy that says so."""
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.ensure(*files, "localhost")
    listen = f"ssl:port=0:interface=127.0.0.1:privateKey={files[1]}:certKey={files[0]}"
    command = [sys.executable, "-m", "realtime_demo.server", "-e", listen, OURS]
    context = ssl.create_default_context(cafile=files[0])
    said = re.compile(r"Listening on https://127\.0\.0\.1:(\d+)/")
    with Program(command, said, SERVER_ENVIRONMENT, signal_number=15) as server:
        host = f"localhost:{server.wait_for(said)[1]}"
        url = f"wss://{host}{path.format(room)}"
        assert await opens(url, f"https://{host}", ssl=context)
        assert not await opens(url, f"http://{host}", ssl=context)


@pytest.mark.parametrize("path", SOCKETS)
async def test_the_scheme_is_the_proxys_to_say(path: str, server: LiveServer, room: str) -> None:
    url, host = server.ws_url + path.format(room), f"127.0.0.1:{server.port}"
    for scheme, other in (("https", "http"), ("http", "https")):
        told = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": scheme}
        assert await opens(url, f"{scheme}://{host}", additional_headers=told)
        assert not await opens(url, f"{other}://{host}", additional_headers=told)
    assert await opens(url, f"http://{host}")


UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize("name", [b"For", b"Port", b"Proto"])
@pytest.mark.parametrize(
    ("path", "upgrade"),
    [(b"/polling/lobby/", b""), (b"/websocket/lobby/", UPGRADE), (b"/", b"Upgrade: h2c\r\n")],
)
async def test_what_was_forwarded_and_is_no_text(
    name: bytes, path: bytes, upgrade: bytes, server: LiveServer
) -> None:
    """nginx sets what it was told to, and hands the rest on as it came: from anyone."""
    async with await RawConnection.open(server.url) as raw:
        raw.writer.write(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
            b"X-Forwarded-%b: \xff\xfe\r\n%b\r\n" % (path, name, upgrade)
        )
        assert (await raw.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in server.output()


async def test_subprotocols_that_are_no_text(server: LiveServer) -> None:
    async with await RawConnection.open(server.url) as raw:
        raw.writer.write(
            b"GET /websocket/lobby/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%b"
            b"Sec-WebSocket-Protocol: realtime.v1, \xff\r\n\r\n" % UPGRADE
        )
        assert (await raw.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in server.output()


async def test_a_handshake_that_fails_leaves_no_token_in_the_log(server: LiveServer) -> None:
    async with await RawConnection.open(server.url) as raw:
        raw.writer.write(
            b"GET /websocket/lobby/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%b"
            b"Sec-WebSocket-Protocol: token.%b, token.%b\r\n\r\n"
            % (UPGRADE, TOKEN.encode(), TOKEN.encode())
        )
        assert (await raw.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")
    server.wait_for(re.compile("duplicate protocol"))
    assert TOKEN not in server.output()
