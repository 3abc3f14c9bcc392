"""The worker and task creation without Redis, with a hung Redis, or with a clock set back."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest

from tests.support.live import LiveServer
from tests.support.program import ROOT
from tests.support.redis_server import RedisServer

from .test_background import environment

CLAIMS = """
import datetime
import django
django.setup()
from django.utils import timezone
from background.models import Task

now = timezone.now()
for status in ("waiting", "running"):
    for seconds in (-1, 10, 3600):
        then = now + datetime.timedelta(seconds=seconds)
        Task.objects.create(kind=f"{status} {seconds}", status=status, claimable_at=then)
while task := Task.objects.claim("me", 15.0):
    print(task.kind)
"""


def test_a_clock_set_back_delays_no_task(tmp_path: Path) -> None:
    """A lease an hour ahead is implausible and claimable; one ten seconds ahead is valid."""
    env = {
        **os.environ,
        **environment(tmp_path),
        "DJANGO_SETTINGS_MODULE": "realtime_demo.settings",
    }
    completed = subprocess.run(
        [sys.executable, "-c", CLAIMS],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {
        f"{status} {seconds}" for status in ("waiting", "running") for seconds in (-1, 3600)
    }
    assert set(completed.stdout.splitlines()) == expected


def test_a_worker_without_redis_is_an_error(tmp_path: Path) -> None:
    completed = subprocess.run(
        [sys.executable, "manage.py", "runworker", "background-tasks"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_PATH": str(tmp_path / "db.sqlite3"), "REDIS_URL": ""},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert completed.returncode == 1
    assert "REDIS_URL" in completed.stderr
    assert "Traceback" not in completed.stderr


@pytest.mark.own_server
@pytest.mark.redis
async def test_a_task_is_accepted_while_redis_hangs(tmp_path: Path, room: str) -> None:
    """The row is enough; without a response the client would start the task twice."""
    with RedisServer() as redis:
        env = {**environment(tmp_path, redis.url), "REDIS_PREFIX": uuid.uuid4().hex}
        with LiveServer(env=env, outage=True) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=8) as http:
                redis.pause()
                try:
                    document = {"kind": "announcement", "arguments": {"room": room, "text": "hi"}}
                    response = await http.post("/tasks/", json=document)
                    assert response.status_code == 202
                finally:
                    redis.resume()
