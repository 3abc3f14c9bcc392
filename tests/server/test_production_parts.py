"""The processes of `manage.py production`, and their end when it is interrupted or killed."""

from __future__ import annotations

import datetime
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest
import redis
from django.core.management import CommandError, call_command
from django.test import override_settings

from realtime_demo.ports import free_cluster_ports, free_port
from realtime_demo.production import certificate
from realtime_demo.production.child import PARENT, end_group
from realtime_demo.production.paths import NODES, Paths
from realtime_demo.production.supervisord import AlreadyRunning, instance_lock, readiness_problem
from tests.contract.feeds import publish
from tests.support.live import LiveServer
from tests.support.production import Production
from tests.support.program import run_python
from tests.support.waiting import BOUND, until

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Starting(Production):
    """A deployment that counts as started once it has printed `until`."""

    def __init__(self, directory: Path, until: str, *arguments: str) -> None:
        super().__init__(directory, *arguments, servers=1)
        self.ready = re.compile(re.escape(until))

    def started(self, match: re.Match[str]) -> None:
        pass


@contextmanager
def started(
    directory: Path, until: str = "spawned: 'worker'", *arguments: str
) -> Iterator[Production]:
    """Yield a deployment that has printed `until`; kill all its processes afterwards."""
    try:
        with Starting(directory, until, *arguments) as production:
            yield production
    finally:
        for process in processes(directory):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def processes(directory: Path) -> list[psutil.Process]:
    """Return the processes of the deployment in `directory`, except nginx's workers.

    nginx overwrites their environment with the process title.
    """
    # The sockets are elsewhere if their paths would be too long.
    folders = str(directory), str(Paths(directory).run)
    matching = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), process.environ().get("STATIC_ROOT", "")]
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                is_command = "production" in words  # `manage.py production` itself
                if not is_command and any(folder in word for word in words for folder in folders):
                    matching.append(process)
    return matching


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.own_server
async def test_nothing_is_orphaned_when_the_command_is_killed(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        await until(lambda: len(processes(tmp_path)) >= 5)
        running.kill()
        await nothing_runs(running)


async def nothing_runs(ended: Production) -> None:
    """Wait until all processes have ended and the directory is free for another deployment."""
    directory = ended.directory
    await until(lambda: not processes(directory) and not listens(ended.port) and is_free(directory))


def is_free(directory: Path) -> bool:
    try:
        with instance_lock(Paths(directory)):
            return True
    except AlreadyRunning:
        return False


@pytest.mark.own_server
@pytest.mark.redis
async def test_a_deployment_on_a_cluster_delivers_and_ends(tmp_path: Path, room: str) -> None:
    """It ends with its terminal (SIGHUP), and all six nodes with it."""
    port = free_cluster_ports(NODES)[0]
    options = ("--cluster", "--cluster-port", str(port))
    with started(tmp_path, "Ready: ", *options) as running:
        tls = ssl.create_default_context(cafile=str(Paths(tmp_path).certificate))
        async with httpx.AsyncClient(base_url=running.url, verify=tls, timeout=BOUND) as http:
            published = await publish(http, room, ["one", "two"])
            batch = (await http.get(f"/polling/{room}/")).json()
        assert [event["id"] for event in batch["events"]] == [event.id for event in published]
        with redis.Redis(port=port) as node:
            cluster: Any = node.execute_command("CLUSTER INFO")
        assert (cluster["cluster_state"], cluster["cluster_known_nodes"]) == ("ok", str(NODES))
        running.process.send_signal(signal.SIGHUP)
        running.process.wait(BOUND)
        await nothing_runs(running)


@pytest.mark.own_server
async def test_nothing_is_orphaned_when_supervisord_is_killed(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        os.kill(int(Paths(tmp_path).pid_file().read_text()), signal.SIGKILL)
        assert running.process.wait(BOUND) == 1
        assert "supervisord ended with -9" in running.output()
        await nothing_runs(running)


@pytest.mark.own_server
@pytest.mark.parametrize("until_printed", ["Starting", "RPC interface"])
async def test_an_early_interrupt_ends_what_has_started(until_printed: str, tmp_path: Path) -> None:
    with started(tmp_path, until_printed) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(BOUND) == 0
        assert running.output().rstrip().endswith("Stopped.")
        assert not processes(tmp_path) and not listens(running.port)


@pytest.mark.own_server
def test_a_server_that_cannot_start_ends_the_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER", "hypercorn")
    (tmp_path / "hypercorn.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started(tmp_path / "it") as running:
        assert running.process.wait(BOUND) == 1
        output = running.output()
    assert "broken on purpose" in output
    assert "ended 6 times in a row" in output
    assert not processes(tmp_path / "it")


def group_leader(code: str) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own; return it once it has printed a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


@pytest.mark.parametrize(
    ("code", "patience", "ended_by"),
    [(SLEEPS, 0, signal.SIGKILL), (SLEEPS, 5, signal.SIGTERM), (STUBBORN, 0.2, signal.SIGKILL)],
)
def test_a_process_group_is_ended(
    code: str, patience: float, ended_by: int, tmp_path: Path
) -> None:
    with group_leader(code) as process:
        (tmp_path / "it.pid").write_text(str(process.pid))
        threading.Thread(target=process.wait).start()  # a zombie would still belong to its group
        end_group(tmp_path / "it.pid", patience)
        assert process.wait(5) == -ended_by


def test_a_child_ends_leftovers_of_its_predecessor(tmp_path: Path) -> None:
    pid_file = tmp_path / "it.pid"
    command = ["-m", "realtime_demo.production.child", str(pid_file), "echo", "in its place"]
    with group_leader(SLEEPS) as before:
        pid_file.write_text(str(before.pid))
        for parent, expected in ((os.getppid(), ""), (os.getpid(), "in its place\n")):
            printed = run_python(*command, env={PARENT: str(parent)}, exit_code=None).stdout
            assert printed == expected, "a child does not start after its parent has died"
        assert before.wait(5) == -signal.SIGKILL


@pytest.fixture
def _signal_handlers() -> Iterator[None]:
    """Restore the handlers of the signals that the command handles."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def error_of(*arguments: str) -> str:
    """Return the error of `manage.py production`."""
    with override_settings(REDIS_URL=""), pytest.raises(CommandError) as error:
        call_command("production", *arguments)
    return str(error.value)


@pytest.mark.usefixtures("_signal_handlers")
def test_one_deployment_runs_in_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "it"
    Paths(directory).make_directories()
    ports = ["--port", str(free_port()), "--metrics-port", str(free_port())]
    with instance_lock(Paths(directory)):
        error = error_of("--directory", str(directory), *ports)
    assert "already" in error
    assert not (directory / "nginx.conf").exists(), "the first one's files are not overwritten"


@pytest.mark.own_server
@pytest.mark.usefixtures("_signal_handlers")
def test_the_port_in_use_is_named(tmp_path: Path, memory_live_server: LiveServer) -> None:
    used, free = str(memory_live_server.port), str(free_port())
    for option, other, hint in (
        ("--port", "--metrics-port", "HTTPS_PORT="),
        ("--metrics-port", "--port", "--metrics-port "),
    ):
        error = error_of("--directory", str(tmp_path), option, used, other, free)
        assert f"{hint}{memory_live_server.port + 1}" in error
        assert ("HTTPS_PORT" in error) == (option == "--port")


@pytest.mark.own_server
@pytest.mark.usefixtures("dead_proxy")
def test_readiness_ignores_proxy_environment_variables(
    memory_live_server: LiveServer,
) -> None:
    tls = ssl.create_default_context()
    assert readiness_problem(f"{memory_live_server.url}/", tls) == ""


def test_an_empty_secret_is_replaced(tmp_path: Path) -> None:
    """After a full disk the file is empty: each process would sign with a different secret."""
    paths = Paths(tmp_path)
    (tmp_path / "secret-key").touch()
    secret = paths.environment()["SECRET_KEY"]
    assert len(secret) >= 50
    assert paths.environment()["SECRET_KEY"] == secret


def test_an_ipv6_host_is_bracketed_in_the_url() -> None:
    assert Paths(Path("/x"), host="fd00::5").url == "https://[fd00::5]:8443/"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "certificate.pem", tmp_path / "key.pem"


def certificate_and_key(pair: tuple[Path, Path], host: str = "localhost") -> tuple[bytes, bytes]:
    certificate.ensure(*pair, host)
    return pair[0].read_bytes(), pair[1].read_bytes()


def test_a_certificate_is_replaced_only_when_invalid(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = certificate_and_key(pair)
    assert certificate_and_key(pair) == first
    other = certificate_and_key(pair, "realtime.example.org")
    assert other != first
    pair[1].write_bytes(first[1])  # the key of another certificate: nginx would not start
    assert certificate_and_key(pair, "realtime.example.org") not in (first, other)
    for days in (-certificate.VALID.days, 400):  # created while the clock was behind, or ahead
        with monkeypatch.context() as patch:
            patch.setattr(certificate, "datetime", clock_off_by(days))
            wrong = certificate_and_key(pair)
        right = certificate_and_key(pair)
        assert right != wrong, days
        assert certificate_and_key(pair) == right


def clock_off_by(days: int) -> SimpleNamespace:
    """Return the module `datetime`, wrong by `days`."""

    class Wrong(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Wrong:
            return super().now(tz) + datetime.timedelta(days)

    return SimpleNamespace(datetime=Wrong, timedelta=datetime.timedelta, UTC=datetime.UTC)
