"""The settings: what no server could work with is refused before it starts."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

SETTINGS = Path(__file__).parent.parent / "realtime_demo" / "settings.py"
WHOLE = [
    *("TEXT_LENGTH", "SENDER_LENGTH", "BODY_SIZE", "HISTORY_LENGTH", "HISTORY_EXPIRY"),
    *("IDEMPOTENCY_EXPIRY", "MAX_ROOMS", "MAX_SOCKET_ROOMS", "MAX_CONNECTIONS"),
    *("LAYER_CAPACITY", "REDIS_CONNECTIONS", "TASK_CONCURRENCY"),
]
SECONDS = ["HEARTBEAT", "TASK_LEASE", "TASK_SWEEP"]
MAY_BE_NONE = ["BACKLOG_LENGTH", "MAX_CONNECTIONS_PER_ADDRESS", "PUBLISH_RATE", "LOGIN_RATE"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in WHOLE for value in ("0", "-1", "1.5", "many", "")),
        ("REDIS_CONNECTIONS", "1"),
        *((name, value) for name in SECONDS for value in ("0", "-1", "nan", "soon", "")),
        *((name, value) for name in MAY_BE_NONE for value in ("-1", "few")),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is a .*number, at least .*{value}"):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize("name", MAY_BE_NONE)
def test_what_may_be_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "0")
    assert runpy.run_path(str(SETTINGS))[name] == 0
