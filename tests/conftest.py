"""Fixtures that every test may use: live servers over both histories, and fresh rooms."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import django
import httpx
import hypothesis
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")
# Each httpx client reads all trusted authorities anew, which takes 50 ms of CPU. No test needs one.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "support" / "authority.pem")
os.environ["LC_ALL"] = "C.UTF-8"  # the language of the commands' output
os.environ.pop("LANGUAGE", None)  # precedes LC_ALL in the standard library's gettext
os.environ["DATABASE_URL"] = ""  # a developer's own database
# The tests start hundreds of processes, each of which would compile the whole project.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
django.setup()

from django.conf import settings
from django.utils import translation

settings.MAY_ENTER = ""  # in this process: no test of it runs the directory of rooms
settings.PASSWORD_HASHERS = ["tests.support.hashers.OneIteration"]
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from realtime_demo.ports import free_port
from tests.support.accounts import Accounts
from tests.support.chromium import ELSEWHERE
from tests.support.database import migrated_postgresql
from tests.support.live import SERVER, SERVER_ENVIRONMENT, LiveServer
from tests.support.postgresql_server import PostgreSQLServer
from tests.support.program import ROOT
from tests.support.redis_server import RedisServer
from tests.support.techniques import SOCKETS
from tests.support.waiting import BOUND
from transports.registry import TECHNIQUES, Technique

from .server import deviations

# A busy machine may need longer for a response than httpx's five seconds.
for function in (httpx.Client.__init__, httpx.AsyncClient.__init__, httpx.get, httpx.post):
    function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "timeout": BOUND}

# Generated cases must not fail because the machine is busy.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")

SERVER_URL = os.environ.get("SERVER_URL", "")
HISTORIES = ["elsewhere"] if SERVER_URL else ["memory", "redis"]


# Each file runs in one worker, since its servers and browsers take longer to start than most tests.
# The files that take longest start first, so that none of them is the last one to end.
SLOWEST = (
    "browser/test_page",
    "browser/test_lanes",
    "server/test_production_parts",
    "server/test_benchmarks",
    "server/test_comparison_run",
    "server/test_background",
    "server/test_doctor",
    "server/test_faults",
    "server/test_outage",
    "server/test_access",
    "server/test_doctor_platforms",
    "server/test_production",
    "browser/test_fifth_technique",
    "server/test_start",
    "server/test_presence",
    "contract/test_replay",
    "browser/test_sources",
    "server/test_chapters",
    "browser/test_demo_page",
    "browser/test_technique_pages",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    config.option.loadscopereorder = False  # by number of tests
    return LoadFileScheduling(config, log)


@pytest.hookimpl(trylast=True)  # after pytest has put the tests with one server together
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Put the slowest files first, and mark the deviations of other servers than Uvicorn."""
    ranks = {ROOT / "tests" / f"{name}.py": rank for rank, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        server = str(parameters.get("other_server", "" if SERVER_URL else SERVER))
        deviation = deviations.deviation_of(server, item.nodeid)
        if deviation is not None:
            reason = f"{deviation.reason} {deviation.link}"
            item.add_marker(pytest.mark.xfail(reason=reason, strict=deviation.strict))
            item.add_marker(pytest.mark.timeout(deviations.SECONDS))


def pytest_make_parametrize_id(val: object) -> str | None:
    """Use the name of a technique in the ids of tests."""
    return val.name if isinstance(val, Technique) else None


@pytest.fixture(params=TECHNIQUES)
def technique(request: pytest.FixtureRequest) -> Technique:
    parameter: Technique = request.param
    return parameter


@pytest.fixture(params=SOCKETS)
def socket_technique(request: pytest.FixtureRequest) -> Technique:
    parameter: Technique = request.param
    return parameter


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQLServer]:
    with PostgreSQLServer() as server:
        yield server


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a migrated database in PostgreSQL, and an empty one for SQLite."""
    if request.param == "sqlite":
        return ""
    return migrated_postgresql(request.getfixturevalue("postgresql_server"))


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    """Yield a database for the accounts of one file's tests."""
    with Accounts(tmp_path_factory.mktemp("accounts")) as accounts:
        yield accounts


@pytest.fixture(scope="session")
def second_origin() -> str:
    """Return the origin besides its own that the server in memory allows."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="session")
def memory_live_server(second_origin: str) -> Iterator[LiveServer]:
    hosts = {
        "ALLOWED_HOSTS": f"localhost,127.0.0.1,[::1],{ELSEWHERE}",
        "ALLOWED_ORIGINS": second_origin,
    }
    with LiveServer(env={**SERVER_ENVIRONMENT, **hosts}) as server:
        yield server


@pytest.fixture(scope="session")
def redis_live_server(redis_server: RedisServer) -> Iterator[LiveServer]:
    with LiveServer(env={**SERVER_ENVIRONMENT, "REDIS_URL": redis_server.url}) as server:
        yield server


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=[pytest.mark.redis] if name == "redis" else [])
        for name in HISTORIES
    ],
)
def history(request: pytest.FixtureRequest) -> str:
    """Return each history in turn: "memory" and "redis"; "elsewhere" with SERVER_URL."""
    return str(request.param)


@pytest.fixture(scope="session")
def server_url(request: pytest.FixtureRequest, history: str) -> str:
    """Return the URL of a live server over that history, or SERVER_URL."""
    if SERVER_URL:
        return SERVER_URL
    server: LiveServer = request.getfixturevalue(f"{history}_live_server")
    return server.url


@pytest.fixture
def room() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def http(server_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server_url, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def own_server(request: pytest.FixtureRequest) -> None:
    """Skip tests that need a server of their own if SERVER_URL is set."""
    if SERVER_URL and request.node.get_closest_marker("own_server"):
        pytest.skip("needs a server of its own, not SERVER_URL")


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """Begin in the default language, and leave the one that a page or a command activates."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a proxy in the environment at which no server listens."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
