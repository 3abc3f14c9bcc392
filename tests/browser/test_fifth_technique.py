"""A technique of your own: the last exercise's solution, added by an environment variable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from realtime_demo.workshop.exercise import EXERCISES
from tests.support.demo import Demo
from tests.support.exercises import solve
from tests.support.live import LiveServer
from tests.support.program import ROOT

pytestmark = pytest.mark.own_server


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("exercises") / "own"
    solve(EXERCISES["own"], folder)
    return {"PYTHONPATH": str(folder), "ADDITIONAL_TECHNIQUES": "multipart:TECHNIQUE"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Demo]:
    with Demo(tmp_path_factory.mktemp("demo"), env=environment) as demo:
        yield demo


def run(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """Run Python with the technique and return its output; it must exit with `code`."""
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert completed.returncode == code, completed.stdout + completed.stderr
    return completed.stdout


async def test_page_has_a_lane_for_a_new_technique(demo: Demo, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(demo.url)
    lane = page.locator('.lane[data-technique="multipart"]')
    await expect(lane.get_by_role("heading")).to_have_text("Multipart")
    await expect(lane.locator('[data-count="received"]')).not_to_have_text("0")
    await expect(lane.locator('[data-count="lost"]')).to_have_text("0")
    await page.close()


async def test_page_has_a_lane_for_an_exercise(tmp_path: Path, browser: Browser) -> None:
    """The chat's messages are events: the only exercise with a source of its own."""
    folder = tmp_path / "chat"
    solve(EXERCISES["chat"], folder)
    env = {"PYTHONPATH": str(folder), "ADDITIONAL_TECHNIQUES": "lane:TECHNIQUE"}
    with Demo(tmp_path, env=env) as demo:
        page = await browser.new_page()
        await page.goto(demo.url)
        lane = page.locator('.lane[data-technique="exercise-chat"]')
        await expect(lane.get_by_role("heading")).to_have_text("exercises/chat")
        await expect(lane.locator('[data-count="received"]')).not_to_have_text("0")
        await expect(lane.locator('[data-count="lost"]')).to_have_text("0")
        await page.close()


def test_contract_suite_covers_a_new_technique(demo: Demo, environment: dict[str, str]) -> None:
    suite = ["-m", "pytest", "-q", "-n", "0", "tests/contract/test_replay.py", "-k", "multipart"]
    output = run({**environment, "SERVER_URL": demo.url}, *suite)
    passed = re.search(r"(\d+) passed", output)
    assert passed and int(passed[1]) >= 10, output


def test_comparison_measures_a_new_technique(environment: dict[str, str]) -> None:
    settings = ["--clients", "1", "--duration", "3", "--rounds", "1", "--rate", "10"]
    command = ["manage.py", "compare", "--techniques", "multipart", "--warmup", "0"]
    output = run(environment, *command, *settings)
    assert "Multipart" in output


def test_doctor_examines_a_new_technique(
    memory_live_server: LiveServer, environment: dict[str, str]
) -> None:
    """On a server without the technique, the doctor reports it as missing."""
    command = ["manage.py", "doctor", memory_live_server.url, "--idle", "1"]
    output = run(environment, *command, code=1)
    assert "Multipart: refuses" in output
