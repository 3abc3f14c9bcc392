"""Tasks with a hung Redis, or with a clock set back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from background.models import Task
from tests.support.accounts import Accounts
from tests.support.live import LiveServer
from tests.support.redis_server import RedisServer

from .test_background import environment


def test_a_clock_set_back_delays_no_task(tmp_path: Path) -> None:
    """A lease an hour ahead is implausible and claimable; one ten seconds ahead is valid."""

    def claimed() -> Iterator[str]:
        now = timezone.now()
        for status in ("waiting", "running"):
            for seconds in (-1, 10, 3600):
                then = now + timedelta(seconds=seconds)
                kind = f"{status} {seconds}"
                Task.objects.create(kind=kind, status=status, claimable_at=then)
        while task := Task.objects.claim("me", 15.0):
            yield task.kind

    with Accounts(tmp_path) as database:
        kinds = database.now(lambda: set(claimed()))
    assert kinds == {f"{status} {s}" for status in ("waiting", "running") for s in (-1, 3600)}


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
