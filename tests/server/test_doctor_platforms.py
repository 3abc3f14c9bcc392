"""The doctor behind Caddy, HAProxy and Apache: it names the platform, its faults and remedies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from realtime_demo.doctor.checks import Examination
from realtime_demo.doctor.platforms import PLATFORMS
from realtime_demo.doctor.remedies import NOTES, Finding, Platform
from realtime_demo.ports import free_port
from tests.support.live import LiveServer
from tests.support.program import need
from tests.support.proxies import Proxy

from .test_doctor import found_by_technique, without_stalls

IDLE = 3.0  # seconds; the wrong configurations time out after 1 s
APACHE_MODULES = ("mpm_event", "authz_core", "proxy", "proxy_http", "filter", "deflate", "env")
CADDYFILE = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port} {{
    reverse_proxy {upstream} {{
        {reverse_proxy}
        transport http {{
            {transport http}
        }}
    }}
}}
"""
HAPROXY_CONFIGURATION = """
defaults
    mode http
    timeout connect 5s
    {defaults}
frontend web
    bind 127.0.0.1:{port}
    {frontend}
    default_backend application
backend application
    server one {upstream}
"""
APACHE_CONFIGURATION = (
    """
ServerName localhost
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
Listen 127.0.0.1:{port}
"""
    + "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
        for name in APACHE_MODULES
    )
    + """
{VirtualHost}
ProxyPass "/" "http://{upstream}/"
"""
)


@dataclass(frozen=True)
class Case:
    """A proxy, its wrong configuration by block, and the problems that the doctor must name.

    `command` has the configuration's file as {file}.
    """

    platform: str
    package: str
    command: tuple[str, ...]
    configuration: str
    wrong: dict[str, str]
    problems: set[tuple[str, str]]


TIMES_OUT = {("longpoll", "times out")}
IDLE_STREAMS = {("streaming", "drops idle"), ("sse", "drops idle")}
IDLE_SOCKET = {("websocket", "drops idle")}
CASES = (
    Case(
        "caddy",
        "caddy",
        ("caddy", "run", "--config", "{file}", "--adapter", "caddyfile"),
        CADDYFILE,
        {"transport http": "response_header_timeout 1s\nread_timeout 1s"},
        TIMES_OUT | IDLE_STREAMS | IDLE_SOCKET,
    ),
    Case(
        "haproxy",
        "haproxy",
        ("haproxy", "-db", "-f", "{file}"),
        HAPROXY_CONFIGURATION,
        {"defaults": "timeout client 1s\ntimeout server 1s"},
        TIMES_OUT | IDLE_STREAMS | IDLE_SOCKET,
    ),
    Case(
        "apache",
        "apache2",
        ("apache2", "-DFOREGROUND", "-f", "{file}"),
        APACHE_CONFIGURATION,
        {"VirtualHost": "ProxyTimeout 1\nSetOutputFilter DEFLATE"},
        TIMES_OUT
        | IDLE_STREAMS
        | {("all", "host"), ("websocket", "upgrade")}
        | {("streaming", "compresses"), ("sse", "compresses")},
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(env={"REDIS_URL": "", "BEHIND_PROXY": "1", "DEBUG": "0"}) as running:
        yield running


@contextmanager
def proxied(case: Case, blocks: dict[str, str], upstream: str, folder: Path) -> Iterator[str]:
    """Run the proxy with `blocks` in its configuration; yield its URL."""
    executable = need(case.command[0], case.package)
    port = free_port()
    names = re.findall(r"\{([A-Za-z_ ]+)\}", case.configuration)
    values = dict.fromkeys(names, "") | blocks
    values |= {"port": str(port), "upstream": upstream, "folder": str(folder)}
    file = folder / "configuration"
    file.write_text(case.configuration.format(**values))
    command = [executable, *(part.format(file=file) for part in case.command[1:])]
    with Proxy(command, folder, f"http://127.0.0.1:{port}") as proxy:
        yield proxy.url


def remedied(findings: list[Finding], platform: Platform, upstream: str) -> dict[str, str]:
    """Return the lines of the remedies of all problems, by block, each line once."""
    lines: dict[str, list[str]] = {}
    for finding in findings:
        remedy = platform.remedies.get(finding.fault)
        if finding.severity == "problem" and remedy is not None:
            assert str(remedy) in finding.cure([platform])
            for block, text in remedy.lines.items():
                lines.setdefault(block, []).extend(text.splitlines())
    joined = {block: "\n".join(dict.fromkeys(each)) for block, each in lines.items()}
    return {block: text.replace("127.0.0.1:8000", upstream) for block, text in joined.items()}


@pytest.mark.own_server
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.platform)
@without_stalls
async def test_a_wrong_configuration_is_named_and_its_remedy_mends_it(
    case: Case, server: LiveServer, tmp_path: Path
) -> None:
    platform = PLATFORMS[case.platform]
    upstream = urlsplit(server.url).netloc
    with proxied(case, case.wrong, upstream, tmp_path) as url:
        wrong = Examination(url, IDLE)
        findings = await wrong.run()
    assert wrong.platforms == [platform]
    assert case.problems <= found_by_technique(findings), findings
    # A rejected publish and its Origin are the effect of another Host.
    assert found_by_technique(findings) - case.problems <= {("all", "refuses")}, findings
    remedies = remedied(findings, platform, upstream)
    with proxied(case, remedies, upstream, tmp_path) as url:
        right = Examination(url, IDLE)
        assert found_by_technique(await right.run()) == set()
    assert right.platforms == [platform]


RECOGNISED = {
    "nginx": ({"server": "nginx/1.29.7"}, {}, ""),
    "caddy": ({"via": "1.1 Caddy"}, {}, ""),
    "cloudflare": ({"server": "cloudflare", "cf-ray": "230b030023ae2822-SJC"}, {}, ""),
    "alb": ({}, {"x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678"}, ""),
    "fly": ({"via": "2 fly.io"}, {}, ""),
    "heroku": ({"via": "2.0 heroku-router"}, {}, ""),
    "traefik": ({}, {"x-real-ip": "192.0.2.1", "x-forwarded-server": "4f1c2a0f1f6f"}, ""),
    "apache": ({"server": "Apache/2.4.62"}, {}, ""),
    "haproxy": (
        {},
        {},
        "HTTP/1.1 400 Bad request\r\n\r\nYour browser sent an invalid request.",
    ),
}


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_is_recognised_by_its_fields(name: str) -> None:
    matching = [key for key, platform in PLATFORMS.items() if platform.matches(*RECOGNISED[name])]
    assert matching == [name]
    assert not PLATFORMS[name].matches({"server": "uvicorn"}, {"via": "1.1 other"}, "HTTP/1.1 400")


def test_remedies_are_of_known_findings_and_cite_their_vendor() -> None:
    for platform in PLATFORMS.values():
        assert platform.remedies.keys() <= NOTES.keys()
        for remedy in platform.remedies.values():
            assert remedy.note or remedy.lines
            assert remedy.source.startswith("https://") or not remedy.source


@pytest.mark.parametrize(
    ("idle", "named"), [(20.0, ["HAProxy", "Heroku"]), (40.0, ["HAProxy"]), (55.0, [])]
)
def test_limits_that_were_not_reached_are_reported(idle: float, named: list[str]) -> None:
    examination = Examination("http://127.0.0.1", idle, list(PLATFORMS.values()))
    examination._check_limits()
    assert [finding.severity for finding in examination.findings] == ["note"] * len(named)
    evidence = " ".join(finding.evidence for finding in examination.findings)
    assert [name for name in ("HAProxy", "Heroku") if name in evidence] == named
