"""The distribution: its wheel, and the commands of the installed package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contract import test_replay
from tests.support.demo import ADDRESS
from tests.support.program import ROOT, Program, run_python
from tests.support.waiting import BOUND
from transports.registry import TECHNIQUES

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
# A build of the local tree, without a network.
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])('dist'))"
UNPACKAGED = ("tests", "docs", "benchmarks", "faults", "examples")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = [
    path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name not in UNPACKAGED
]
LARGEST = 2 * 1024 * 1024  # bytes of a wheel
BRIEF = ["--duration", "0.5", "--rounds", "1", "--warmup", "0.1"]  # seconds
UNBUILT = shutil.ignore_patterns(
    *(".*", "__pycache__", "node_modules", "build", "dist", "*.egg-info", "*.sqlite3*"),
    *("staticfiles", *UNPACKAGED),
)


def build(kind: str, source: Path) -> Path:
    """Return the built "wheel" or "sdist" of the tree at `source`."""
    (source / "dist").mkdir(exist_ok=True)
    completed = run_python("-c", BUILD, f"build_{kind}", folder=source)
    return source / "dist" / completed.stdout.splitlines()[-1]


def libraries(extra: str) -> list[Distribution]:
    """Return the installed distributions that the wheel with `extra` requires."""
    distributions: dict[tuple[str, str], Distribution] = {}
    remaining = [Requirement(f"{PROJECT['name']}[{extra}]")]
    while remaining:
        requirement = remaining.pop()
        name = canonicalize_name(requirement.name)
        for each in ("", *requirement.extras):
            if name == PROJECT["name"]:
                extras = PROJECT["optional-dependencies"]
                required = extras[each] if each else PROJECT["dependencies"]
            elif (name, each) in distributions:
                continue
            else:
                library = distributions[name, each] = distribution(name)
                required = library.requires or ()
            for line in map(Requirement, required):
                if line.marker is None or line.marker.evaluate({"extra": each}):
                    remaining.append(line)
    return [library for (_, each), library in distributions.items() if not each]


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree, since a build writes into it."""
    copy = tmp_path_factory.mktemp("source") / "realtime-demo"
    shutil.copytree(ROOT, copy, ignore=UNBUILT)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return build("wheel", source)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new environment with the wheel, and links to the libraries of its extra `demo`."""
    environment = tmp_path_factory.mktemp("installed")
    venv.create(environment, symlinks=True)
    base = {"base": str(environment), "platbase": str(environment)}
    site_packages = Path(sysconfig.get_path("purelib", "venv", base))
    for library in libraries("demo"):
        for name in {file.parts[0] for file in library.files or ()} - {"..", "__pycache__"}:
            (site_packages / name).symlink_to(str(library.locate_file(name)))
    pip = [*PIP, "--python", str(environment / "bin/python")]
    arguments = ["--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([*pip, "install", *arguments], check=True, capture_output=True)
    return environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a user without a clone or data."""
    home = tmp_path_factory.mktemp("home")
    return {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "PYTHONPATH": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the empty folder in which the commands run."""
    return tmp_path_factory.mktemp("empty")


@pytest.fixture(scope="module")
def demo_url(installed: Path, environment: dict[str, str], folder: Path) -> Iterator[str]:
    command = [str(installed / "bin/realtime-demo"), "demo", "--port", "0", "--no-browser"]
    with Program(command, ADDRESS, environment, start=BOUND, folder=folder) as demo:
        yield demo.wait_for(ADDRESS)[1]


def test_the_sdist_builds_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(build("sdist", source), tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert files_of(build("wheel", unpacked)) == files_of(wheel)


def test_the_wheel_contains_every_package_and_its_files(source: Path, wheel: Path) -> None:
    files = files_of(wheel)
    assert wheel.stat().st_size < LARGEST
    assert not any(name.startswith("websocket/") for name in files), "websocket-client's name"
    (metadata,) = [content for name, content in files.items() if name.endswith("/METADATA")]
    assert message_from_bytes(metadata)["Version"] == PROJECT["version"]
    for app in PACKAGES:
        for path in (source / app).rglob("*.*"):
            if path.is_file() and path.suffix not in (".md", ".pyc"):
                name = path.relative_to(source).as_posix()
                assert (f"realtime_{name}" if app == "websocket" else name) in files
    for path in (source / "locale").rglob("*.mo"):
        assert f"realtime_demo/{path.relative_to(source).as_posix()}" in files


def test_the_demo_serves_its_page_from_an_empty_folder(
    demo_url: str, environment: dict[str, str], folder: Path
) -> None:
    with httpx.Client(base_url=demo_url, timeout=BOUND) as http:
        page = http.get("/?lang=ko")
        assert page.status_code == 200
        assert "방식" in page.text, "translated"
        for path in ("/websocket/", "/static/websocket/source.js", "/static/realtime_demo/main.js"):
            assert http.get(path).status_code == 200, path
    data = Path(environment["XDG_DATA_HOME"], "realtime-demo")
    assert {path.name for path in data.iterdir()} >= {"db.sqlite3", "secret-key"}
    assert (data / "secret-key").stat().st_mode & 0o077 == 0
    assert list(folder.iterdir()) == []


async def test_the_installed_demo_replays_events(demo_url: str, room: str) -> None:
    async with httpx.AsyncClient(base_url=demo_url, timeout=BOUND) as http:
        await test_replay.test_backlog_is_the_last_fifty(demo_url, http, room)
        for technique in TECHNIQUES:
            await test_replay.test_resume_at_every_event(
                technique, demo_url, http, f"{room}-{technique.name}"
            )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--version"], f"realtime-demo {PROJECT['version']}"),
        (["advise", "--clients", "10"], "WebSocket"),
        (["doctor", "{url}", "--idle", "1"], "no TLS"),
        (["compare", "--server", "{url}", "--techniques", "sse", *BRIEF], "Events"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_command_runs_in_an_empty_folder(
    arguments: list[str],
    expected: str,
    demo_url: str,
    installed: Path,
    environment: dict[str, str],
    folder: Path,
) -> None:
    completed = subprocess.run(
        [installed / "bin/realtime-demo", *(each.format(url=demo_url) for each in arguments)],
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert expected in completed.stdout
    assert list(folder.iterdir()) == []


def test_a_missing_extra_is_named(wheel: Path, environment: dict[str, str], folder: Path) -> None:
    """The site packages are hidden: Python without an environment imports only the wheel."""
    completed = subprocess.run(
        [sys.executable, "-S", "-m", "realtime_demo", "demo"],
        env={**environment, "PYTHONPATH": str(wheel)},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 1
    assert "pip install 'realtime-demo[demo]'" in completed.stderr
    assert "uvx --from 'realtime-demo[demo]' realtime-demo demo," in completed.stderr
    assert len(completed.stderr.splitlines()) == 1
