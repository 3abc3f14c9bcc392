"""A fifth technique, added to a copy of the project: one folder, and one entry of the registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.demo import Demo
from tests.support.live import LiveServer
from tests.support.program import ROOT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.own_server,
]

TECHNIQUE = ROOT / "tests/support/fifth_technique"
COPIED = ["manage.py", "pyproject.toml", "background", "deploy", "locale", "realtime_demo", "tests"]
COPIED += ["benchmarks", "faults", "transports", "polling", "longpoll", "streaming", "websocket"]
REGISTRY_END = "\n)\n\nBY_NAME"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, add the folder `multipart` and the entry."""
    folder = tmp_path_factory.mktemp("project")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
        else:
            shutil.copy(ROOT / name, folder)
    shutil.copytree(TECHNIQUE / "multipart", folder / "multipart")
    registry = folder / "transports/registry.py"
    before, end, after = registry.read_text().partition(REGISTRY_END)
    entry = (TECHNIQUE / "entry.txt").read_text().rstrip()
    registry.write_text(f"{before}\n{entry}{end}{after}")
    return folder


@pytest.fixture(scope="module")
def demo(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), source=project) as demo:
        yield demo


def run(project: Path, *arguments: str, code: int = 0, **environment: str) -> str:
    """Run Python in the copy and return its output; it must exit with `code`."""
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert completed.returncode == code, completed.stdout + completed.stderr
    return completed.stdout


@pytest.mark.asyncio(loop_scope="module")
async def test_page_has_a_lane_for_a_new_technique(demo: Demo, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(demo.url)
    lane = page.locator('.lane[data-technique="multipart"]')
    await expect(lane.get_by_role("heading")).to_have_text("Multipart")
    await expect(lane.locator('[data-count="received"]')).not_to_have_text("0")
    await expect(lane.locator('[data-count="lost"]')).to_have_text("0")
    await page.close()


def test_contract_suite_covers_a_new_technique(demo: Demo, project: Path) -> None:
    suite = ["-m", "pytest", "-q", "-n", "0", "tests/contract/test_replay.py", "-k", "multipart"]
    output = run(project, *suite, SERVER_URL=demo.url)
    passed = re.search(r"(\d+) passed", output)
    assert passed and int(passed[1]) >= 15, output


def test_comparison_measures_a_new_technique(project: Path) -> None:
    settings = ["--clients", "1", "--duration", "3", "--rounds", "1", "--rate", "10"]
    output = run(
        project, "manage.py", "compare", "--techniques", "multipart", "--warmup", "0", *settings
    )
    assert "Multipart" in output


def test_doctor_examines_a_new_technique(memory_live_server: LiveServer, project: Path) -> None:
    """The doctor of the copy misses it on a server without it."""
    output = run(project, "manage.py", "doctor", memory_live_server.url, "--idle", "1", code=1)
    assert "multipart" in output
