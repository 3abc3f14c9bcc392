"""Processes of one feed with settings that must not differ."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from tests.support.database import migrated
from tests.support.live import SERVER_ENVIRONMENT, LiveServer
from tests.support.redis_server import RedisServer
from tests.support.waiting import until, until_async
from transports.operations.agreement import EFFECTS, difference, digests


@pytest.mark.redis
async def test_a_later_process_with_other_settings_is_not_ready(
    redis_server: RedisServer, redis_live_server: LiveServer, tmp_path: Path
) -> None:
    different = {
        **SERVER_ENVIRONMENT,
        "REDIS_URL": redis_server.url,
        "SECRET_KEY": "another secret",
        "DATABASE_PATH": str(tmp_path / "another.sqlite3"),
        "HISTORY_LENGTH": "7",
    }
    with LiveServer(env=different) as server:
        async with httpx.AsyncClient(base_url=server.url) as http:

            async def is_rejected() -> bool:
                return (await http.get("/readyz")).status_code == 503

            await until_async(is_rejected)
            document = (await http.get("/readyz")).json()
            alive = await http.get("/healthz")
            earlier = await http.get(f"{redis_live_server.url}/readyz")
        assert document["status"] == "disagreement"
        for name in ("SECRET_KEY", "DATABASES", "HISTORY_LENGTH"):
            assert f"{name} ({EFFECTS[name]})" in document["detail"]
        assert "CHANNEL_LAYERS" not in document["detail"]
        assert "another secret" not in document["detail"]
        assert alive.status_code == 200, "it keeps its connections"
        assert earlier.status_code == 200
        assert "differ in SECRET_KEY" in server.output()


async def test_processes_of_one_database_compare_their_secret_keys(
    tmp_path: Path,
) -> None:
    environment = {
        **SERVER_ENVIRONMENT,
        "SECRET_KEY": "",
        "DATABASE_PATH": str(migrated(tmp_path)),
        "LC_ALL": "C",
    }
    with (
        LiveServer(env={**environment, "LC_ALL": "ko_KR.UTF-8"}) as earlier,
        LiveServer(env=environment) as later,
    ):
        async with httpx.AsyncClient() as http:

            async def is_rejected() -> bool:
                return (await http.get(f"{later.url}/readyz")).status_code == 503

            await until_async(is_rejected)
            detail = (await http.get(f"{later.url}/readyz")).json()["detail"]
            ready = await http.get(f"{earlier.url}/readyz")
        difference = f"SECRET_KEY ({EFFECTS['SECRET_KEY']})"
        assert f"use one database, but differ in {difference}" in detail
        assert detail in later.output()
        await until(lambda: "SECRET_KEY (" in earlier.output())
        assert str(EFFECTS["SECRET_KEY"]) not in earlier.output(), "its terminal is Korean"
        assert ready.status_code == 200


def test_digests_do_not_contain_the_settings() -> None:
    text = json.dumps(digests())
    for value in (settings.SECRET_KEY, str(settings.DATABASES["default"]["NAME"])):
        assert value not in text


def test_settings_that_only_one_version_reports_are_not_compared() -> None:
    own = {
        "name": "a:1",
        "digests": {"SECRET_KEY": "1", "DATABASES": "2", **dict.fromkeys(EFFECTS)},
    }
    assert difference(own, {"name": "b:2", "digests": {}}, "") == ""
    assert "DATABASES" in difference(own, {"name": "b:2", "digests": {"DATABASES": "3"}}, "")
