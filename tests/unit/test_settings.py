"""Settings: invalid values are rejected before a server starts."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

SETTINGS = Path(__file__).parents[2] / "realtime_demo" / "settings.py"
INTEGERS = [
    *("TEXT_LENGTH", "SENDER_LENGTH", "BODY_SIZE", "HISTORY_LENGTH", "HISTORY_EXPIRY"),
    *("IDEMPOTENCY_EXPIRY", "MAX_ROOMS", "MAX_SOCKET_ROOMS", "MAX_CONNECTIONS"),
    *("LAYER_CAPACITY", "REDIS_CONNECTIONS", "TASK_CONCURRENCY"),
]
SECONDS = ["HEARTBEAT", "TASK_LEASE", "TASK_SWEEP"]
MAY_BE_ZERO = [
    *("BACKLOG_LENGTH", "MAX_CONNECTIONS_PER_ADDRESS", "PUBLISH_RATE", "LOGIN_RATE"),
    "TASK_EXPIRY",
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in INTEGERS for value in ("0", "-1", "1.5", "many", "")),
        ("REDIS_CONNECTIONS", "1"),
        *((name, value) for name in SECONDS for value in ("0", "-1", "nan", "inf", "soon", "")),
        *((name, value) for name in MAY_BE_ZERO for value in ("-1", "inf", "few")),
    ],
)
def test_invalid_numbers_are_rejected(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    message = f"^{name} must be an? (number|integer), at least .*{value}"
    with pytest.raises(ImproperlyConfigured, match=message):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize("name", MAY_BE_ZERO)
def test_zero_turns_optional_limits_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "0")
    assert runpy.run_path(str(SETTINGS))[name] == 0


@pytest.mark.parametrize(
    "origin",
    [
        *("partner.test", "https://partner.test/", "https://*.partner.test", "null", "*"),
        *("https://", "ftp://partner.test", "https://partner.test/path", "https://a@partner.test"),
        *("https://Partner.test", "https://partner.test:443", "http://partner.test:http"),
    ],
)
def test_origins_that_no_browser_sends_are_rejected(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an origin would never equal one that a browser sends."""
    monkeypatch.setenv("ALLOWED_ORIGINS", f"https://partner.test,{origin}")
    with pytest.raises(ImproperlyConfigured, match=f"^ALLOWED_ORIGINS .*{re.escape(origin)}"):
        runpy.run_path(str(SETTINGS))


def test_valid_origins_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    origins = ["https://partner.test", "http://localhost:8080", "http://[::1]:8000", "https://a.b"]
    monkeypatch.setenv("ALLOWED_ORIGINS", " , ".join(origins))
    assert runpy.run_path(str(SETTINGS))["ALLOWED_ORIGINS"] == origins


@pytest.mark.parametrize(
    ("name", "known"),
    [("SERVER", "uvicorn"), ("CHANNEL_LAYER", "pubsub"), ("DEBUG", "true"), ("DEMO", "off")],
)
def test_unknown_values_are_rejected_with_the_known_ones(
    name: str, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "bogus")
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must be one of .*{known}.*'bogus'"):
        runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("REDIS_URL", "localhost:6379", "REDIS_URL must begin with one of redis, .*'localhost'"),
        ("REDIS_URL", "redis+sentinel://host", "REDIS_URL must be .* got no master"),
        ("REDIS_URL", "redis+cluster://host:port", "REDIS_URL must be .*ports that are numbers"),
        ("DATABASE_URL", "oracel://ada:secret@host/name", "DATABASE_URL must be as postgres://"),
        ("DATABASE_PATH", "/no/such/db", "existing directory; got '/no/such/db'"),
        ("DATABASE_PATH", "/", "DATABASE_PATH must be a file .*got '/'"),
        ("FORCE_SCRIPT_NAME", "demo", "FORCE_SCRIPT_NAME must begin with a slash.*got 'demo'"),
        ("SECRET_KEY", "change-me", "SECRET_KEY is the example's"),
    ],
)
def test_other_invalid_values_are_rejected(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=message) as raised:
        runpy.run_path(str(SETTINGS))
    assert "secret@" not in str(raised.value)
