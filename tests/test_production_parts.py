"""`manage.py production` is interrupted, begun twice, or killed: nothing of it is left behind."""

from __future__ import annotations

import datetime
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from realtime_demo.production import certificate
from realtime_demo.production.layout import Layout
from realtime_demo.production.owner import owned
from realtime_demo.production.watch import look, opener

from .live import LiveServer
from .program import ROOT
from .redis_server import free_port
from .waiting import until

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


@contextmanager
def keeper(
    run: Path, code: str, *, patience: float = 8
) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A keeper, and the Python process that it keeps, which runs `code` and says `up`."""
    keep = "import sys; from pathlib import Path; from realtime_demo.production import keep; "
    keep += f"keep.PATIENCE = {patience}; command = [sys.executable, '-c', {code!r}]; "
    keep += f"sys.exit(keep.Keeper('it', command, Path({str(run)!r}), []).keep())"
    with subprocess.Popen([sys.executable, "-c", keep], cwd=ROOT, stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        assert made.stdout.readline() == b"up\n"
        (child,) = psutil.Process(made.pid).children()
        try:
            yield made, child
        finally:
            made.kill()
            with suppress(psutil.NoSuchProcess):
                child.kill()


async def test_a_part_ends_with_whoever_runs_the_production(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with owned(tmp_path):  # as by a command that is then killed, or whose terminal is closed
            made, child = stack.enter_context(keeper(tmp_path, SLEEPS))
        await until(lambda: made.poll() is not None)
        assert made.returncode == 0
        assert not child.is_running()


async def test_a_part_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with owned(tmp_path), keeper(tmp_path, STUBBORN, patience=0.5) as (made, child):
        made.terminate()
        await until(lambda: made.poll() is not None)
        assert not child.is_running()


def test_it_may_be_interrupted_before_everything_has_started() -> None:
    code = (
        "import os, signal, sys\n"
        "from realtime_demo.production.parts import Parts\n"
        "class Interrupted(Parts):\n"
        "    def _start(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        super()._start()\n"
        "parts = Interrupted()\n"
        "for name in ('one', 'two'):\n"
        "    parts.add_process(name, 'exec sleep 60')\n"
        "parts.loop()\n"
        "sys.exit(parts.returncode)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 128 + signal.SIGINT, done.stderr
    assert "one stopped" in done.stdout and "two stopped" in done.stdout


def production(*arguments: str) -> str:
    """What `manage.py production` says as it refuses."""
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
    Layout(directory).make_directories()
    ports = ["--port", str(free_port()), "--metrics-port", str(free_port())]
    with owned(Layout(directory).run):
        said = production("--directory", str(directory), *ports)
    assert "already" in said
    assert not (directory / "nginx.conf").exists(), "the first one's is not written over"


@pytest.mark.own_server
def test_the_port_that_is_in_use_is_the_one_that_is_named(
    tmp_path: Path, memory_live_server: LiveServer
) -> None:
    taken = ["--port", str(free_port()), "--metrics-port", str(memory_live_server.port)]
    said = production("--directory", str(tmp_path), *taken)
    assert f"--metrics-port {memory_live_server.port + 1}" in said
    assert "HTTPS_PORT" not in said


@pytest.mark.parametrize(
    ("option", "value"),
    [("--servers", "0"), ("--workers", "-1"), ("--port", "0"), ("--port", "65536")],
)
def test_a_number_that_cannot_be_is_refused(option: str, value: str, tmp_path: Path) -> None:
    said = production("--directory", str(tmp_path), "--metrics-port", "0", option, value)
    assert value in said


def test_a_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file/in" in production("--directory", str(tmp_path / "file" / "in"))


@pytest.mark.own_server
@pytest.mark.usefixtures("dead_proxy")
def test_the_watch_asks_this_machine_whatever_proxy_is_named(
    memory_live_server: LiveServer,
) -> None:
    asking = opener(ssl.create_default_context())
    assert look(f"{memory_live_server.url}/", asking) == ""


def test_a_secret_that_is_empty_is_made_anew(tmp_path: Path) -> None:
    """As a full disk leaves it: every process would sign with one of its own."""
    layout = Layout(tmp_path)
    (tmp_path / "secret-key").touch()
    secret = layout.environment()["SECRET_KEY"]
    assert len(secret) >= 50
    assert layout.environment()["SECRET_KEY"] == secret


def test_an_address_of_ipv6_is_a_url() -> None:
    assert Layout(Path("/x"), host="fd00::5").url == "https://[fd00::5]:8443/"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "certificate.pem", tmp_path / "key.pem"


def made(pair: tuple[Path, Path], host: str = "localhost") -> tuple[bytes, bytes]:
    certificate.ensure(*pair, host)
    return pair[0].read_bytes(), pair[1].read_bytes()


def test_a_certificate_is_kept_until_it_does_not_serve(
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
