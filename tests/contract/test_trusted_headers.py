"""Headers of a client that must not change mount point, client address or scheme."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support.raw import RawConnection

from .conftest import one_history
from .feeds import BOUND

# Headers from which some server or framework takes the mount point, the client or the scheme.
CLAIMS = {
    "Daphne-Root-Path": "/polling",
    "Root-Path": "/polling",
    "X-Root-Path": "/polling",
    "Script-Name": "/polling",
    "X-Script-Name": "/polling",
    "X-Forwarded-Prefix": "/polling",
    "X-Original-URL": "/healthz",
    "X-Rewrite-URL": "/healthz",
    "X-Forwarded-Path": "/healthz",
    "X-Forwarded-For": "192.0.2.7",
    "X-Real-IP": "192.0.2.7",
    "X-Client-IP": "192.0.2.7",
    "True-Client-IP": "192.0.2.7",
    "Forwarded": 'for=192.0.2.7;proto=https;host="evil.example"',
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "https",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Ssl": "on",
    "X-Url-Scheme": "https",
    "Front-End-Https": "on",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "443",
}
UPGRADES = {"": (), "beside an upgrade": ("Upgrade: x", "Connection: Upgrade")}


async def echoed(server_url: str, *headers: str) -> Any:
    """Return the request as the application received it."""
    async with await RawConnection.open(server_url) as connection:
        connection.request("/mirror/", *headers)
        status, _, body = await connection.response()
        assert status == 200, (headers, body)
        return json.loads(body)


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES.keys())
async def test_proxy_headers_of_a_client_are_ignored(
    server_url: str, upgrade: tuple[str, ...]
) -> None:
    plain = await echoed(server_url)
    claims = [f"{name}: {value}" for name, value in CLAIMS.items()]
    for headers in ([*claims], *([claim] for claim in claims)):
        request = await echoed(server_url, *headers, *upgrade)
        for member in ("scheme", "client", "path"):
            assert request[member] == plain[member], headers


@one_history
@pytest.mark.parametrize("value", ["/websocket", "/polling", "/evil", "/", "//", "%2f", "\xff"])
@pytest.mark.parametrize("name", ["Daphne-Root-Path", "daphne-root-path", "Root-Path"])
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES.keys())
async def test_mount_point_is_fixed(
    server_url: str, room: str, name: str, value: str, upgrade: tuple[str, ...]
) -> None:
    """`/websocket/metrics` mounted at `/websocket` would be `/metrics`, which nginx hides."""
    for path, status in (("/websocket/metrics", 404), (f"/polling/{room}/", 200)):
        async with await RawConnection.open(server_url) as connection:
            line = f"{name}: {value}".encode("latin-1")
            head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *upgrade])
            connection.send(head.encode() + b"\r\n" + line + b"\r\n\r\n")
            received_status = (await connection.head())[0].split()[1]
            # A server may reject undecodable bytes, or an upgrade to an unknown protocol.
            assert int(received_status) in (status, 400), (path, received_status)


async def test_client_headers_do_not_change_a_sockets_path(
    server_url: str, http: httpx.AsyncClient, room: str
) -> None:
    url = f"ws{server_url.removeprefix('http')}/websocket/{room}/"
    async with asyncio.timeout(BOUND), connect(url, additional_headers=CLAIMS) as socket:
        assert json.loads(await socket.recv())["room"] == room


async def test_forwarded_scheme_does_not_change_the_origin(
    http: httpx.AsyncClient, room: str
) -> None:
    """`X-Forwarded-Proto: https` may not make `https://` this site's own origin."""
    origin = str(http.base_url).rstrip("/").replace("http:", "https:")
    response = await http.post(
        f"/publish/{room}/",
        json={"sender": "ada", "text": "hi"},
        headers={**CLAIMS, "Origin": origin},
    )
    assert response.status_code == 403
