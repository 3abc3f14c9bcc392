"""The doctor with an invalid URL, rejected requests, or an expired certificate."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from realtime_demo.doctor.checks import Examination, Unreachable
from realtime_demo.doctor.target import root_of
from realtime_demo.production import certificate
from tests.support.live import LiveServer
from transports.registry import TECHNIQUES

from .test_doctor import NOTES, examined, found_by_technique, nginx

pytestmark = [pytest.mark.own_server]


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(env={"REDIS_URL": "", "DEBUG": "0"}) as running:
        yield running


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://realtime.example.org/", "https://realtime.example.org"),
        ("HTTPS://Realtime.example.org:443", "https://realtime.example.org"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://bücher.example:81", "http://xn--bcher-kva.example:81"),
    ],
)
def test_urls_are_normalised_to_the_root(url: str, root: str) -> None:
    assert root_of(url) == root


@pytest.mark.parametrize(
    "url",
    [
        "localhost",
        "ftp://localhost",
        "http://",
        "http://localhost:99999",
        "http://localhost:0",
        "http://[::1",
        "https://realtime..example.org",
        "https://example.org/app",
        "https://example.org/?room=lobby",
        "https://ada:secret@example.org",
    ],
)
def test_invalid_urls_are_reported(url: str) -> None:
    with pytest.raises(CommandError, match=re.escape(repr(url))):
        call_command("doctor", url)


@pytest.mark.usefixtures("dead_proxy")
async def test_probes_ignore_proxy_environment_variables(server: LiveServer) -> None:
    assert {finding.fault for finding in await examined(server.url)} <= NOTES


async def test_buffering_is_not_reported_without_publishing(
    server: LiveServer, tmp_path: Path
) -> None:
    no_publishing = "if ($request_method = POST) { return 403; }"
    with nginx(tmp_path, server.url, no_publishing) as url:
        problems = found_by_technique(await examined(url))
    rejected = {"all", "polling", "streaming", "sse", "websocket"}
    assert problems == {(name, "refuses") for name in rejected}


async def test_only_the_rejection_is_reported_behind_a_login(
    server: LiveServer, tmp_path: Path
) -> None:
    """Behind a login, the proxy's treatment of accepted requests is unknown."""
    with nginx(tmp_path, server.url, "return 401;") as url:
        findings = await examined(url)
    everything = {"all", *(technique.name for technique in TECHNIQUES)} - {"websocket-sync"}
    assert found_by_technique(findings) == {(name, "refuses") for name in everything}


async def test_a_redirect_is_reported_with_its_target(server: LiveServer, tmp_path: Path) -> None:
    with (
        nginx(tmp_path, server.url, "return 308 https://$host$request_uri;") as url,
        pytest.raises(Unreachable, match=r"https://127\.0\.0\.1/healthz"),
    ):
        await examined(url)


async def test_an_expired_certificate_is_a_problem(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    monkeypatch.setattr(certificate, "VALID", -datetime.timedelta(minutes=1))
    certificate.ensure(*files, host="127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))  # trusted, but for its date
    options = f"ssl_certificate {files[0]}; ssl_certificate_key {files[1]};"
    with nginx(tmp_path, server.url, tls="ssl", certificate=options) as url:
        findings = await examined(url)
    assert ("all", "certificate") in found_by_technique(findings)
    assert any("expired" in finding.evidence for finding in findings)


async def test_a_server_stopped_during_the_checks_is_reported() -> None:
    with LiveServer(env={"REDIS_URL": "", "DEBUG": "0"}) as server:

        class Interrupted(Examination):
            async def _echo(self) -> None:
                server.stop()

        findings = await Interrupted(server.url, 1.0).run()
    assert {"polling", "streaming", "sse", "longpoll"} <= {
        finding.technique for finding in findings if finding.fault == "unreachable"
    }
    assert ("websocket", "upgrade") in found_by_technique(findings)
