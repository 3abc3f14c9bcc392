"""The doctor, run against a correct nginx and against misconfigured ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command

from realtime_demo.doctor.checks import LATE, Examination, Unreachable
from realtime_demo.doctor.platforms import PLATFORMS
from realtime_demo.doctor.remedies import Finding
from realtime_demo.http_trace import HttpTrace
from realtime_demo.ports import free_port
from realtime_demo.production import certificate
from realtime_demo.tap.proxy import Connection, Tap
from tests.support import proxies
from tests.support.live import LiveServer
from tests.support.waiting import repeated_after_a_stall
from transports.registry import BY_NAME

pytestmark = [pytest.mark.own_server]

HTTP = """
    proxy_cache_path {directory}/cache keys_zone=kept:1m;
    map $http_upgrade $realtime_connection {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port} {tls};
        {certificate}
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $realtime_connection;
        proxy_read_timeout 75s;
        location / {{
            {broken}
            proxy_pass {upstream};
        }}
    }}
"""
ALL_HEADERS = """
proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-For $remote_addr;
"""
UPGRADE = "proxy_set_header Upgrade $http_upgrade; "
UPGRADE += "proxy_set_header Connection $realtime_connection;"
HOST = "proxy_set_header Host $http_host;"
ENVIRONMENT = {"REDIS_URL": "", "BEHIND_PROXY": "1", "DEBUG": "0"}
NOTES = {"http/1.1", "exposes"}  # all of these servers have plain HTTP, and no rule for /metrics
# The doctor reports a late event even if this machine delayed it: then the test is repeated.
without_stalls = repeated_after_a_stall(0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(env=ENVIRONMENT) as running:
        yield running


@contextmanager
def nginx(
    directory: Path, upstream: str, broken: str = "", *, tls: str = "", certificate: str = ""
) -> Iterator[str]:
    """Run nginx with `broken` in its location; yield its URL."""
    port = free_port()
    http = HTTP.format(
        directory=directory,
        port=port,
        tls=tls,
        certificate=certificate,
        broken=broken,
        upstream=upstream,
    )
    scheme = "https" if tls else "http"
    with proxies.nginx(directory, http, f"{scheme}://127.0.0.1:{port}") as proxy:
        yield proxy.url


async def examined(url: str, idle: float = 1.0) -> list[Finding]:
    return await Examination(url, idle).run()


def found_by_technique(findings: list[Finding], severity: str = "problem") -> set[tuple[str, str]]:
    return {
        (finding.technique, finding.fault) for finding in findings if finding.severity == severity
    }


@without_stalls
async def test_a_correct_proxy_has_no_problems(server: LiveServer, tmp_path: Path) -> None:
    with nginx(tmp_path, server.url) as url:
        findings = await examined(url)
    assert found_by_technique(findings) == set()
    assert {finding.fault for finding in findings} <= NOTES


BUFFERED = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
COMPRESSED = "gzip on; gzip_types text/event-stream application/x-ndjson; gzip_proxied any; "
COMPRESSED += "proxy_hide_header Content-Encoding;"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        pytest.param(
            COMPRESSED, {("streaming", "compresses"), ("sse", "compresses")}, id="compression"
        ),
        pytest.param(
            HOST + ALL_HEADERS + 'proxy_set_header Connection "";',
            {("websocket", "upgrade")},
            id="no upgrade",
        ),
        pytest.param(
            ALL_HEADERS + UPGRADE, {("all", "host"), ("all", "refuses")}, id="another host"
        ),
        pytest.param(
            HOST + UPGRADE + "proxy_set_header Last-Event-ID ''; "
            "proxy_set_header X-Forwarded-Proto $scheme;"
            "proxy_hide_header Cache-Control; proxy_hide_header Content-Type;",
            {("all", "strips"), ("streaming", "strips"), ("sse", "strips")},
            id="headers stripped",
        ),
        pytest.param("client_max_body_size 1k;", {("all", "limits bodies")}, id="small bodies"),
        pytest.param(
            "proxy_cache kept; proxy_cache_valid 200 1m; "
            "proxy_ignore_headers Cache-Control Set-Cookie Expires; proxy_cache_methods GET;",
            {("polling", "caches")},
            id="caching",
        ),
    ],
)
@without_stalls
async def test_a_broken_proxy_is_diagnosed(
    broken: str, expected: set[tuple[str, str]], server: LiveServer, tmp_path: Path
) -> None:
    with nginx(tmp_path, server.url, broken) as url:
        findings = await examined(url)
    problems = found_by_technique(findings)
    assert expected <= problems, findings
    expected_kinds = {kind for _, kind in expected}
    side_effects = {"upgrade", "downgrades", "refuses"}  # of HTTP/1.0, of another host
    assert {finding for _, finding in problems} <= expected_kinds | side_effects, findings
    assert all(finding.evidence and finding.cure([PLATFORMS["nginx"]]) for finding in findings)


@without_stalls
async def test_http_1_0_and_buffering_are_reported(tmp_path: Path) -> None:
    with (
        LiveServer(server="daphne", env=ENVIRONMENT) as server,
        nginx(tmp_path, server.url, BUFFERED + "proxy_http_version 1.0;") as url,
    ):
        findings = await examined(url)
    problems = found_by_technique(findings)
    assert {("streaming", "buffers"), ("sse", "buffers"), ("all", "downgrades")} <= problems, (
        findings
    )
    side_effects = {"upgrade", "refuses"}  # of HTTP/1.0
    assert {finding for _, finding in problems} <= {"buffers", "downgrades"} | side_effects, (
        findings
    )


@pytest.mark.parametrize("once", [True, False])
@without_stalls
async def test_one_late_event_is_not_reported_as_buffering(once: bool, server: LiveServer) -> None:
    """Stall each room's connection for a moment: at its first event only, or at each event."""
    streams = {BY_NAME[name].url_path(""): name for name in ("streaming", "sse", "websocket")}
    stalled: set[str] = set()
    resuming: dict[Connection, asyncio.TimerHandle] = {}

    class Stalling(Examination):
        async def _publish(self, room: str, *arguments: Any, **options: Any) -> HttpTrace:
            for connection in tap.connections:
                name = streams.get(connection.target.replace(room, ""), "")
                if name and room in connection.target and not (once and name in stalled):
                    stalled.add(name)
                    connection.stall()
                    if connection in resuming:
                        resuming[connection].cancel()
                    late = 2 * (LATE + 4 * self.round_trip)  # twice the tolerated delay
                    loop = asyncio.get_running_loop()
                    resuming[connection] = loop.call_later(late, connection.resume)
            return await super()._publish(room, *arguments, **options)

    parts = urlsplit(server.url)
    async with Tap(parts.hostname or "", parts.port or 0) as tap:
        findings = await Stalling(tap.url, 1.0).run()
    for timer in resuming.values():
        timer.cancel()
    assert stalled == {"streaming", "sse", "websocket"}
    assert found_by_technique(findings) == (
        set() if once else {(name, "buffers") for name in stalled}
    )


@without_stalls
async def test_a_short_proxy_timeout_is_reported(server: LiveServer, tmp_path: Path) -> None:
    with nginx(tmp_path, server.url, "proxy_read_timeout 2s; proxy_next_upstream off;") as url:
        findings = await examined(url, idle=4)
    assert found_by_technique(findings) == {
        ("longpoll", "times out"),
        ("streaming", "drops idle"),
        ("sse", "drops idle"),
        ("websocket", "drops idle"),
    }
    assert any("after 2." in finding.evidence for finding in findings)


@without_stalls
async def test_tls_certificate_and_scheme_are_checked(server: LiveServer, tmp_path: Path) -> None:
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.ensure(*files, host="127.0.0.1")
    options = f"ssl_certificate {files[0]}; ssl_certificate_key {files[1]};"
    without_scheme = f"{HOST}{UPGRADE} proxy_set_header X-Forwarded-For $remote_addr;"
    with nginx(tmp_path, server.url, tls="ssl", certificate=options) as url:
        findings = await examined(url)
        assert found_by_technique(findings) == set()
        assert ("all", "certificate") in found_by_technique(findings, "note")
        assert ("all", "http/1.1") in found_by_technique(findings, "note")
    with nginx(tmp_path, server.url, without_scheme, tls="ssl", certificate=options) as url:
        findings = await examined(url)
        assert ("all", "scheme") in found_by_technique(findings)


async def test_an_unreachable_upstream_is_reported(tmp_path: Path) -> None:
    with nginx(tmp_path, f"http://127.0.0.1:{free_port()}") as url:
        findings = await examined(url)
    rejected = {finding.technique for finding in findings if finding.fault == "refuses"}
    assert rejected >= {"all", "polling", "longpoll", "streaming", "sse"}
    assert ("websocket", "upgrade") in found_by_technique(findings)


async def test_an_unreachable_server_raises() -> None:
    with pytest.raises(Unreachable):
        await examined(f"http://127.0.0.1:{free_port()}")


def test_the_command_prints_json_and_a_table(
    server: LiveServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit, match="1"):
            call_command("doctor", "--idle", "1", *arguments)
        return capsys.readouterr().out

    with nginx(tmp_path, server.url, "client_max_body_size 1k;") as url:
        findings = json.loads(run(url, "--json"))
        (document,) = [finding for finding in findings if finding["severity"] == "problem"]
        assert document["fault"] == document["what"] == "limits bodies"
        assert document["cure"] == f"nginx:\n{PLATFORMS['nginx'].remedies['limits bodies']}"
        assert document["platforms"] == ["nginx"]
        assert "client_max_body_size" in run(url).replace("\n", "")
    with pytest.raises(CommandError, match=r"127\.0\.0\.1"):
        call_command("doctor", f"http://127.0.0.1:{free_port()}")
