"""Who is one client to nginx, and how much it lets them do: deploy/nginx as it is."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from realtime_demo.production import programs

from .program import ROOT
from .redis_server import free_port, missing

pytestmark = [pytest.mark.own_server]

# Its client says where it comes from, which only a test may believe.
NGINX = """
daemon off;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    access_log off;
    include {shared}/http.conf;
    upstream realtime {{ server unix:{directory}/upstream.sock; }}
    server {{ listen unix:{directory}/upstream.sock; return 200; }}
    server {{
        listen 127.0.0.1:{port};
        set_real_ip_from 127.0.0.1;
        real_ip_header From;
        set $site {directory};
        include {shared}/server.conf;
    }}
}}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    try:
        executable = programs.nginx()
    except programs.Missing as error:
        missing("nginx", str(error))
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    user = "user root;" if os.getuid() == 0 else ""
    shared = Path(ROOT) / "deploy" / "nginx"
    conf = directory / "nginx.conf"
    conf.write_text(NGINX.format(user=user, directory=directory, port=port, shared=shared))
    process = subprocess.Popen([executable, "-e", "stderr", "-p", str(directory), "-c", str(conf)])
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.get("/")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, "nginx did not start"
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
            yield client
    finally:
        process.terminate()
        process.wait(20)


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
def test_who_guesses_is_slowed_down_whichever_of_their_addresses_they_take(
    address: str, client: httpx.Client
) -> None:
    found = statuses(client, "POST", *(address.format(n + 1) for n in range(100)))
    assert found[200]
    assert found[429]


@pytest.mark.parametrize("address", ["198.51.100.{}", "2001:db8:0:{:x}::1", "::ffff:203.0.113.{}"])
def test_neighbours_are_not(address: str, client: httpx.Client) -> None:
    assert statuses(client, "POST", *(address.format(n + 1) for n in range(100))) == {200: 100}
