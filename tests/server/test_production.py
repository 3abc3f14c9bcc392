"""The production deployment: every technique through nginx over HTTPS, while processes die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from realtime_demo.doctor.checks import Examination
from realtime_demo.production.paths import Paths
from tests.contract.feeds import BOUND, collect, cursor_of, following, publish
from tests.support.chromium import chromium
from tests.support.production import Production
from tests.support.program import ROOT
from tests.support.waiting import repeated_after_a_stall, until, until_async
from transports import client
from transports.events import Event
from transports.registry import TECHNIQUES

OURS = re.compile(rf'File "{re.escape(str(ROOT))}/(?!\.venv/)')  # a traceback through our code

pytestmark = [
    pytest.mark.own_server,
    pytest.mark.redis,
    pytest.mark.timeout(180),
]
SERVERS = ("server-0", "server-1")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    directory = tmp_path_factory.mktemp("production")
    stale = Paths(directory)
    stale.make_directories()
    # As after a power cut: the stored process ids belong to other processes now.
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale.socket(SERVERS[0])))
    Path(f"{stale.socket(SERVERS[0])}.lock").symlink_to(str(os.getpid()))
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as innocent:
        stale.pid_file(SERVERS[0]).write_text(str(innocent.pid))
        with Production(directory) as running:
            yield from _running(running)
        assert innocent.poll() is None
        innocent.kill()


def _running(running: Production) -> Iterator[Production]:
    """Yield the deployment; then interrupt it, and check the order in which it stops."""
    yield running
    url = running.url.replace("http", "ws", 1) + "/websocket/lobby/"
    with connect(url, ssl=running.tls) as websocket:
        running.process.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                websocket.recv(BOUND)
    assert closed.value.rcvd is not None, "the server, which stops first, closes through nginx"
    assert closed.value.rcvd.code == 1012
    assert running.process.wait(30) == 0
    before, _, stopping = running.output().partition("received SIGTERM")
    assert stopping.rstrip().endswith("Stopped.")
    ended = re.findall(r"stopped: (\S+)", stopping)
    assert sorted(ended) == sorted([*SERVERS, "worker", "nginx", "redis"])
    assert ended[-2:] == ["nginx", "redis"], "the servers first, then nginx, then Redis"
    assert "SIGKILL" not in stopping
    assert "CRITICAL" not in before, "each server started at its first attempt"
    assert "WARNING" not in stopping, "Redis stops after its clients"
    # When Redis is killed, tasks of channels-redis end with an exception, but none of ours.
    assert not OURS.search(before), before


@pytest.fixture(autouse=True)
async def _all_processes_are_ready(production: Production) -> None:
    """Wait until the processes that the previous test killed have restarted."""
    async with httpx.AsyncClient(verify=production.tls) as http:
        for url in (
            f"{production.url}/readyz",
            *(f"{production.metrics_url}/{name}/metrics" for name in SERVERS),
        ):
            await until_async(partial(_is_ready, http, url))


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(autouse=True)
def _certificate_is_trusted(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let the clients trust the certificate of this deployment."""
    monkeypatch.setenv("SSL_CERT_FILE", str(production.directory / "certificate.pem"))
    client.default_tls.cache_clear()
    yield
    client.default_tls.cache_clear()


@pytest.fixture
async def http(production: Production) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=production.url, verify=production.tls, timeout=30
    ) as opened:
        yield opened


async def test_each_technique_delivers_through_nginx(
    production: Production, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    collecting = {
        technique.name: [
            asyncio.create_task(collect(technique, production.url, room, since, count=30))
            for _ in range(4)  # round robin: at both servers
        ]
        for technique in TECHNIQUES
    }
    published = await publish(http, room, map(str, range(30)))
    for name, collected in collecting.items():
        assert await asyncio.gather(*collected) == [published] * 4, name


async def test_the_page_is_served_over_http_2(production: Production) -> None:
    context = ssl.create_default_context(cafile=str(production.directory / "certificate.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("localhost", production.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()


@pytest.mark.browser
async def test_every_lane_receives_events_in_a_browser(production: Production, room: str) -> None:
    async with chromium() as browser:
        page = await browser.new_page(ignore_https_errors=True)
        await page.goto(f"{production.url}/?room={room}")
        hop = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert await page.evaluate(hop) == "h2"
        async with httpx.AsyncClient(base_url=production.url, verify=production.tls) as http:
            await publish(http, room, ["to every lane"])
        message = page.locator("#conversation .event").filter(has_text="to every lane")
        lanes = [technique for technique in TECHNIQUES if technique.on_page]
        await (
            message.locator(".seen .is-here")
            .nth(len(lanes) - 1)
            .wait_for(state="attached", timeout=BOUND * 1000)
        )


async def test_nginx_serves_as_configured(
    production: Production, http: httpx.AsyncClient, room: str
) -> None:
    assert (await http.get("/readyz")).json() == {"status": "ok"}
    assert (await http.get("/metrics")).status_code == 404
    async with httpx.AsyncClient(base_url=production.metrics_url) as operator:
        for name in SERVERS:
            assert "realtime_connections" in (await operator.get(f"/{name}/metrics")).text
        assert (await operator.get("/")).status_code == 404
    page = (await http.get("/")).text
    asset = page.partition('href="/static/')[2].partition('"')[0]
    static = await http.get(f"/static/{asset}")
    assert static.status_code == 200
    assert static.headers["cache-control"] == "no-cache"
    large = await http.post(f"/publish/{room}/", content=b" " * 70_000)
    assert large.status_code == 413
    assert large.headers["content-type"].startswith("application/problem+json")
    for origin, status in ((production.url, 201), ("http://localhost", 403)):
        response = await http.post(
            f"/publish/{room}/", json={"sender": "a", "text": "b"}, headers={"Origin": origin}
        )
        assert response.status_code == status, origin
    async with httpx.AsyncClient() as plain:
        redirect = await plain.get(f"http://localhost:{production.port}/?a=b")
        assert redirect.status_code == 307
        assert redirect.headers["location"] == f"{production.url}/?a=b"


@repeated_after_a_stall(0.5)
async def test_the_doctor_finds_no_problems(production: Production) -> None:
    assert await Examination(production.url, idle=3).run() == []


async def publish_until_accepted(http: httpx.AsyncClient, room: str, text: str) -> Event:
    """Publish until the response is 201; failed attempts may have been published too."""
    async with asyncio.timeout(BOUND):
        while True:
            with contextlib.suppress(httpx.TransportError):
                response = await http.post(f"/publish/{room}/", json={"sender": "a", "text": text})
                if response.status_code == 201:
                    return Event.from_document(response.json())
                assert response.status_code == 503
                assert response.headers["retry-after"] == "1"
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("victim", "number"),
    [
        ("server-0.sock", signal.SIGKILL),
        ("server-1.sock", signal.SIGTERM),
        ("nginx: master", signal.SIGKILL),
        ("nginx: master", signal.SIGHUP),  # reloads
        ("redis-server", signal.SIGKILL),
    ],
)
async def test_no_events_are_lost_when_a_process_is_killed(
    victim: str, number: int, production: Production, http: httpx.AsyncClient, room: str
) -> None:
    since = await cursor_of(http, room)
    async with following(production.url, room, since, clients=2) as received:
        acknowledged = [await publish_until_accepted(http, room, f"before {n}") for n in range(20)]
        (process,) = production.processes(victim)
        process.send_signal(number)
        acknowledged += [await publish_until_accepted(http, room, f"during {n}") for n in range(20)]
        await until(lambda: production.processes(victim), BOUND)
        acknowledged += [await publish_until_accepted(http, room, f"after {n}") for n in range(20)]
        last = acknowledged[-1].id
        await until(lambda: all(events and events[-1].id == last for events in received), BOUND)
    first = received[0]
    assert [event.cursor.seq for event in first] == list(range(1, len(first) + 1))
    assert all(events == first for events in received)
    assert set(acknowledged) <= set(first)
