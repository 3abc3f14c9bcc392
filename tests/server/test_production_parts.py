"""The parts of `manage.py production`, and what is left when it is interrupted or killed."""

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

import psutil
import pytest

from realtime_demo.production import certificate
from realtime_demo.production.child import PARENT, end_group
from realtime_demo.production.paths import Paths
from realtime_demo.production.readiness import check, opener
from realtime_demo.production.supervisord import instance_lock
from tests.support.live import LiveServer
from tests.support.production import Production
from tests.support.program import ROOT
from tests.support.redis_server import free_port
from tests.support.waiting import BOUND, until


class Starting(Production):
    """A production that counts as started once it has printed `until`."""

    def __init__(self, directory: Path, until: str) -> None:
        super().__init__(directory)
        self.ready = re.compile(re.escape(until))

    def started(self, said: re.Match[str]) -> None:
        pass


@contextmanager
def started(directory: Path, until: str = "spawned: 'worker'") -> Iterator[Production]:
    """A production that has printed `until`, and whose processes are all killed afterwards."""
    try:
        with Starting(directory, until) as production:
            yield production
    finally:
        for process in processes(directory):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def processes(directory: Path) -> list[psutil.Process]:
    """The processes of the production in `directory`, supervisord included, nginx's workers not.

    nginx overwrites its environment with its title.
    """
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = [*process.cmdline(), process.environ().get("STATIC_ROOT", "")]
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                is_command = "production" in words  # `manage.py production` itself
                if not is_command and any(str(directory) in word for word in words):
                    found.append(process)
    return found


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.own_server
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
async def test_nothing_is_orphaned_when_the_command_ends(number: int, tmp_path: Path) -> None:
    with started(tmp_path) as running:
        await until(lambda: len(processes(tmp_path)) > 5)
        running.process.send_signal(number)
        running.process.wait(BOUND)
        await until(lambda: not processes(tmp_path) and not listens(running.port))
        with instance_lock(Paths(tmp_path)):  # another production may run there
            pass


@pytest.mark.own_server
async def test_nothing_is_orphaned_when_supervisord_is_killed(tmp_path: Path) -> None:
    with started(tmp_path) as running:
        os.kill(int(Paths(tmp_path).pid_file().read_text()), signal.SIGKILL)
        assert running.process.wait(BOUND) == 1
        assert "supervisord ended with -9" in running.output()
        await until(lambda: not processes(tmp_path) and not listens(running.port))


@pytest.mark.own_server
@pytest.mark.parametrize("until_printed", ["Starting", "RPC interface", "spawned: 'redis'"])
async def test_an_early_interrupt_ends_what_has_started(until_printed: str, tmp_path: Path) -> None:
    with started(tmp_path, until_printed) as running:
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(BOUND) == 0
        assert running.output().rstrip().endswith("Stopped.")
        assert not processes(tmp_path) and not listens(running.port)


@pytest.mark.own_server
def test_a_server_that_cannot_start_ends_the_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER", "hypercorn")
    (tmp_path / "hypercorn.py").write_text("raise ImportError('broken on purpose')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with started(tmp_path / "it") as running:
        assert running.process.wait(BOUND) == 1
        said = running.output()
    assert "broken on purpose" in said
    assert "ended 6 times in a row" in said
    assert not processes(tmp_path / "it")


def group(code: str) -> subprocess.Popen[bytes]:
    """A process that leads a group of its own, and has printed a line."""
    made = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert made.stdout is not None
    made.stdout.readline()
    return made


SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


@pytest.mark.parametrize(
    ("code", "patience", "ended_by"),
    [(SLEEPS, 0, signal.SIGKILL), (SLEEPS, 5, signal.SIGTERM), (STUBBORN, 0.2, signal.SIGKILL)],
)
def test_a_process_group_is_ended(
    code: str, patience: float, ended_by: int, tmp_path: Path
) -> None:
    with group(code) as process:
        (tmp_path / "it.pid").write_text(str(process.pid))
        threading.Thread(target=process.wait).start()  # a zombie would still be in its group
        end_group(tmp_path / "it.pid", patience)
        assert process.wait(5) == -ended_by


def test_a_child_ends_leftovers_of_its_predecessor(tmp_path: Path) -> None:
    pid_file = tmp_path / "it.pid"
    command = [sys.executable, "-m", "realtime_demo.production.child", str(pid_file)]
    with group(SLEEPS) as before:
        pid_file.write_text(str(before.pid))
        for parent, expected in ((os.getppid(), ""), (os.getpid(), "in its place\n")):
            done = subprocess.run(
                [*command, "echo", "in its place"],
                cwd=ROOT,
                env={**os.environ, PARENT: str(parent)},
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.stdout == expected, "it does not start once its parent has died"
        assert before.wait(5) == -signal.SIGKILL


def production(*arguments: str) -> str:
    """The error of `manage.py production` with invalid arguments."""
    done = subprocess.run(
        [sys.executable, "manage.py", "production", *arguments],
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_one_production_runs_in_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "it"
    Paths(directory).make_directories()
    ports = ["--port", str(free_port()), "--metrics-port", str(free_port())]
    with instance_lock(Paths(directory)):
        said = production("--directory", str(directory), *ports)
    assert "already" in said
    assert not (directory / "nginx.conf").exists(), "the first one's is not written over"


@pytest.mark.own_server
def test_the_port_in_use_is_named(tmp_path: Path, memory_live_server: LiveServer) -> None:
    taken = ["--port", str(free_port()), "--metrics-port", str(memory_live_server.port)]
    said = production("--directory", str(tmp_path), *taken)
    assert f"--metrics-port {memory_live_server.port + 1}" in said
    assert "HTTPS_PORT" not in said


@pytest.mark.parametrize(
    ("option", "value"),
    [("--servers", "0"), ("--workers", "-1"), ("--port", "0"), ("--port", "65536")],
)
def test_invalid_numbers_are_rejected(option: str, value: str, tmp_path: Path) -> None:
    said = production("--directory", str(tmp_path), "--metrics-port", "0", option, value)
    assert value in said


def test_an_impossible_directory_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file/in" in production("--directory", str(tmp_path / "file" / "in"))


@pytest.mark.own_server
@pytest.mark.usefixtures("dead_proxy")
def test_readiness_ignores_proxy_environment_variables(
    memory_live_server: LiveServer,
) -> None:
    client = opener(ssl.create_default_context())
    assert check(f"{memory_live_server.url}/", client) == ""


def test_an_empty_secret_is_replaced(tmp_path: Path) -> None:
    """As a full disk leaves it: every process would sign with one of its own."""
    layout = Paths(tmp_path)
    (tmp_path / "secret-key").touch()
    secret = layout.environment()["SECRET_KEY"]
    assert len(secret) >= 50
    assert layout.environment()["SECRET_KEY"] == secret


def test_an_ipv6_host_is_bracketed_in_the_url() -> None:
    assert Paths(Path("/x"), host="fd00::5").url == "https://[fd00::5]:8443/"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "certificate.pem", tmp_path / "key.pem"


def made(pair: tuple[Path, Path], host: str = "localhost") -> tuple[bytes, bytes]:
    certificate.ensure(*pair, host)
    return pair[0].read_bytes(), pair[1].read_bytes()


def test_a_certificate_is_replaced_only_when_invalid(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(pair)
    assert made(pair) == first
    other = made(pair, "realtime.example.org")
    assert other != first
    pair[1].write_bytes(first[1])  # another's key: nginx would not start
    assert made(pair, "realtime.example.org") not in (first, other)
    for days in (-certificate.VALID.days, 400):  # made by a clock that was behind, or ahead
        with monkeypatch.context() as patch:
            patch.setattr(certificate, "datetime", clock(days))
            wrong = made(pair)
        right = made(pair)
        assert right != wrong, days
        assert made(pair) == right


def clock(days: int) -> SimpleNamespace:
    """The module `datetime`, wrong by so many days."""

    class Wrong(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Wrong:
            return super().now(tz) + datetime.timedelta(days)

    return SimpleNamespace(datetime=Wrong, timedelta=datetime.timedelta, UTC=datetime.UTC)
