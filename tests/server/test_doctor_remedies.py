"""The doctor's remedies as nginx accepts them, its progress, and servers of other projects."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from django.core.management import call_command

from realtime_demo.doctor.checks import Examination, Unreachable
from realtime_demo.doctor.platforms import PLATFORMS
from realtime_demo.doctor.remedies import Remedy
from tests.support.live import LiveServer
from tests.support.proxies import nginx_errors
from tests.support.raw_server import serving_at

pytestmark = [pytest.mark.own_server]

REMEDIES = PLATFORMS["nginx"].remedies
HTTP = """
    {http}
    server {{
        listen unix:{folder}/socket;
        {server}
        location / {{ {location} proxy_pass http://127.0.0.1:8998; }}
    }}
"""


def nginx_error(folder: Path, remedies: list[Remedy]) -> str:
    """Return the errors of `nginx -t` for a configuration with these lines."""
    blocks = {
        name: "\n".join(
            dict.fromkeys(
                line for remedy in remedies for line in remedy.lines.get(name, "").splitlines()
            )
        )
        for name in ("http", "server", "location")
    }
    return nginx_errors(folder, HTTP.format(folder=folder, **blocks))


@pytest.mark.parametrize("name", REMEDIES)
def test_nginx_accepts_a_remedy(name: str, tmp_path: Path) -> None:
    assert str(REMEDIES[name])
    assert nginx_error(tmp_path, [REMEDIES[name]]) == ""


def test_remedies_do_not_contradict_each_other(tmp_path: Path) -> None:
    for pair in itertools.combinations(REMEDIES.values(), 2):
        fields: dict[str, set[str]] = {}
        for remedy in pair:
            for line in remedy.lines.get("location", "").splitlines():
                directive, value = line.rsplit(" ", 1)
                fields.setdefault(directive, set()).add(value)
        assert all(len(values) == 1 for values in fields.values()), pair
    assert nginx_error(tmp_path, list(REMEDIES.values())) == ""


async def test_a_server_of_another_project_is_named() -> None:
    for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 404 No\r\n\r\n"):

        async def respond(reader, writer, answer=answer):  # type: ignore[no-untyped-def]
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        async with serving_at(respond) as url:
            with pytest.raises(Unreachable, match="not a server of this project"):
                await Examination(url, 1.0).run()


async def test_a_rejection_by_the_application_is_not_the_proxys() -> None:
    with LiveServer(env={"REDIS_URL": "", "DEBUG": "0", "PUBLISH_RATE": "0.001"}) as server:
        findings = await Examination(server.url, 1.0).run()
    assert "rejects" in {finding.fault for finding in findings}
    assert "refuses" not in {finding.fault for finding in findings}


def test_progress_is_on_stderr(
    memory_live_server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("doctor", memory_live_server.url, "--idle", "6", "--json")
    printed = capsys.readouterr()
    assert printed.err.startswith(f"Examining {memory_live_server.url} for about 6 s …\n… 5 s")
    assert printed.out.startswith("[")
