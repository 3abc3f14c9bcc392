"""The scheme of a request, and forwarded headers."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from realtime_demo.asgi_servers import APPLICATION
from realtime_demo.production import certificate
from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.raw import HANDSHAKE, RawConnection

pytestmark = [pytest.mark.own_server]

SOCKETS = ["/websocket/{}/", "/websocket/sync/{}/"]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    environment = {**SERVER_ENVIRONMENT, "BEHIND_PROXY": "1"}
    with LiveServer(APPLICATION, "--log-level", "info", env=environment) as server:
        yield server


async def opens(url: str, origin: str, **options: object) -> bool:
    try:
        async with connect(url, origin=Origin(origin), **options) as socket:  # type: ignore[arg-type]
            return "events" in json.loads(await socket.recv())
    except InvalidStatus as rejection:
        assert rejection.response.status_code == 403
        return False


async def test_a_page_over_tls_may_open_a_socket(tmp_path: Path, room: str) -> None:
    """A server with TLS of its own accepts the https origin."""
    certificate_file, key_file = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.ensure(certificate_file, key_file, "localhost")
    tls = ["--ssl-certfile", str(certificate_file), "--ssl-keyfile", str(key_file)]
    context = ssl.create_default_context(cafile=certificate_file)
    with LiveServer(APPLICATION, *tls, env=SERVER_ENVIRONMENT, verify=context) as server:
        host = f"localhost:{server.port}"
        for path in SOCKETS:
            url = f"wss://{host}{path.format(room)}"
            assert await opens(url, f"https://{host}", ssl=context), path
            assert not await opens(url, f"http://{host}", ssl=context), path


@pytest.mark.parametrize("path", SOCKETS)
async def test_the_scheme_is_taken_from_the_proxy(path: str, server: LiveServer, room: str) -> None:
    url, host = server.ws_url + path.format(room), f"127.0.0.1:{server.port}"
    for scheme, other in (("https", "http"), ("http", "https")):
        forwarded = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": scheme}
        assert await opens(url, f"{scheme}://{host}", additional_headers=forwarded)
        assert not await opens(url, f"{other}://{host}", additional_headers=forwarded)
    assert await opens(url, f"http://{host}")


UPGRADE = "".join(f"{line}\r\n" for line in HANDSHAKE).encode()


@pytest.mark.parametrize("name", [b"For", b"Port", b"Proto"])
@pytest.mark.parametrize(
    ("path", "upgrade"),
    [(b"/polling/lobby/", b""), (b"/websocket/lobby/", UPGRADE), (b"/", b"Upgrade: h2c\r\n")],
)
async def test_undecodable_forwarded_headers_leave_no_traceback(
    name: bytes, path: bytes, upgrade: bytes, server: LiveServer
) -> None:
    """nginx sets only the configured headers, and relays all others from any client."""
    async with await RawConnection.open(server.url) as raw:
        raw.writer.write(
            b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
            b"X-Forwarded-%b: \xff\xfe\r\n%b\r\n" % (path, name, upgrade)
        )
        status = (await raw.until(b"\r\n"))[:13]
    assert status in (b"HTTP/1.1 101 ", b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")
    assert "Traceback" not in server.output()


async def test_undecodable_subprotocols_get_400(server: LiveServer) -> None:
    async with await RawConnection.open(server.url) as raw:
        raw.writer.write(
            b"GET /websocket/lobby/ HTTP/1.1\r\nHost: 127.0.0.1\r\n%b"
            b"Sec-WebSocket-Protocol: realtime.v1, \xff\r\n\r\n" % UPGRADE
        )
        assert (await raw.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in server.output()
