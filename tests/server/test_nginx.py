"""deploy/nginx: limits for each client, and headers that clients cannot spoof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from realtime_demo.asgi_servers import SERVERS
from realtime_demo.ports import free_port
from tests.support.live import LiveServer
from tests.support.program import ROOT
from tests.support.proxies import nginx

pytestmark = [pytest.mark.own_server]

# The test's client sets its own address by the header From.
HTTP = """
    include {shared}/http.conf;
    upstream realtime {{ server {upstream}; }}
    server {{ listen unix:{directory}/upstream.sock; return 200 "{received}"; }}
    server {{
        listen 127.0.0.1:{port};
        set_real_ip_from 127.0.0.1;
        real_ip_header From;
        set $site {directory};
        include {shared}/server.conf;
    }}
"""


# Headers by which a client could set its own address, scheme, host or mount point.
SPOOFED = {
    "Daphne-Root-Path": "/websocket",
    "Forwarded": "for=192.0.2.66;proto=https;host=evil.example",
    "X-Forwarded-For": "192.0.2.66",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/websocket",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "192.0.2.66",
    "X-Script-Name": "/websocket",
}
EMPTIED = [name for name in SPOOFED if name not in ("X-Forwarded-For", "X-Forwarded-Proto")]
EMPTIED += ["Upgrade"]  # except a WebSocket's


@contextmanager
def client_of(directory: Path, upstream: str) -> Iterator[httpx.Client]:
    """Run nginx with the files of deploy/nginx in front of `upstream`; yield its client."""
    port = free_port()
    http = HTTP.format(
        directory=directory,
        port=port,
        shared=ROOT / "deploy" / "nginx",
        upstream=upstream,
        received="".join(f"$http_{name.lower().replace('-', '_')}" for name in EMPTIED),
    )
    url = f"http://127.0.0.1:{port}"
    with nginx(directory, http, url), httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Yield a client of an nginx whose upstream responds with 200 to everything."""
    directory = tmp_path_factory.mktemp("nginx")
    with client_of(directory, f"unix:{directory}/upstream.sock") as client:
        yield client


@pytest.fixture(scope="module", params=SERVERS)
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Yield a client of an nginx in front of the application on each server."""
    env = {"REDIS_URL": "", "BEHIND_PROXY": "1", "DEBUG": "0"}
    with (
        LiveServer(server=request.param, env=env) as server,
        client_of(tmp_path_factory.mktemp("nginx"), f"127.0.0.1:{server.port}") as client,
    ):
        yield client


@pytest.mark.parametrize("path", ["/", "/streaming/", "/longpoll/", "/websocket/", "/publish/"])
def test_nginx_empties_headers_that_clients_could_spoof(path: str, client: httpx.Client) -> None:
    """The upstream returns the values of these headers that it received."""
    assert client.get(path, headers={**SPOOFED, "Upgrade": "x"}).text == ""
    upgraded = client.get(path, headers={**SPOOFED, "Upgrade": "WebSocket"}).text
    assert upgraded == ("WebSocket" if path == "/websocket/" else "")


def test_clients_cannot_spoof_address_scheme_host_or_mount(proxied: httpx.Client) -> None:
    for upgrade in ({}, {"Upgrade": "x"}):
        plain = proxied.get("/mirror/", headers=upgrade)
        assert plain.json()["client"] == "127.0.0.1"
        for name, value in SPOOFED.items():
            spoofed = proxied.get("/mirror/", headers={**upgrade, name: value})
            assert spoofed.json() == plain.json(), name


def test_a_mount_point_in_a_header_does_not_open_the_metrics(proxied: httpx.Client) -> None:
    for mount in ("/websocket", "/evil"):
        for upgrade in ({}, {"Upgrade": "x"}, {"Upgrade": "websocket"}):
            headers = {"Daphne-Root-Path": mount, **upgrade}
            response = proxied.get(f"{mount}/metrics", headers=headers)
            assert 400 <= response.status_code < 500
            assert "realtime_connections" not in response.text


def statuses(client: httpx.Client, method: str, *addresses: str) -> Counter[int]:
    return Counter(
        client.request(method, "/login/", headers={"From": address}).status_code
        for address in addresses
    )


def test_a_class_behind_one_address_logs_in_together(client: httpx.Client) -> None:
    for _ in range(30):
        assert statuses(client, "GET", "192.0.2.1") == {200: 1}
        assert statuses(client, "POST", "192.0.2.1") == {200: 1}


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8:1:2::{:x}", "2001:db8:1:3:{:x}::1"])
def test_login_limit_counts_an_ipv6_network(address: str, client: httpx.Client) -> None:
    responses = statuses(client, "POST", *(address.format(n + 1) for n in range(100)))
    assert responses[200]
    assert responses[429]


@pytest.mark.parametrize("address", ["198.51.100.{}", "2001:db8:0:{:x}::1", "::ffff:203.0.113.{}"])
def test_login_limit_leaves_other_addresses_alone(address: str, client: httpx.Client) -> None:
    assert statuses(client, "POST", *(address.format(n + 1) for n in range(100))) == {200: 100}
