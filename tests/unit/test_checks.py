"""System checks: what `manage.py check` reports."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from transports.checks import CHECKS, PUB_SUB

MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware"]
CLUSTER = {"default": {"BACKEND": PUB_SUB}}
SHARED = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer"}}
TRANSPORTS, AUTH = "transports", "transports.auth"
DJANGO = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"]


def ids(**changes: Any) -> set[str]:
    with override_settings(**changes):
        return {str(message.id) for check in CHECKS for message in check()}


def test_the_project_has_no_messages() -> None:
    assert run_checks() == []


@override_settings(MAY_ENTER="nowhere")
def test_the_checks_are_registered() -> None:
    assert [message.id for message in run_checks()] == ["transports.E002"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"INSTALLED_APPS": [TRANSPORTS, "polling"]}, set()),
        ({"INSTALLED_APPS": [TRANSPORTS, "polling", *DJANGO[:2]]}, {"transports.W001"}),
        ({"INSTALLED_APPS": [TRANSPORTS, AUTH, *DJANGO[:2]]}, {"transports.E001"}),
        (
            {
                "INSTALLED_APPS": [TRANSPORTS, AUTH, *DJANGO[:2]],
                "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
            },
            set(),
        ),
        ({"MAY_ENTER": "transports.auth.permissions.may_enter"}, set()),
        ({"MAY_ENTER": "transports.auth.permissions.missing"}, {"transports.E002"}),
        ({"MAY_ENTER": "nowhere"}, {"transports.E002"}),
        ({"REALTIME": {"MAY_ENTER": "nowhere"}}, {"transports.E002"}),
        ({"REALTIME": {"TASK_LEASE": 5}, "MAY_ENTER": "nowhere"}, set()),
        ({"REALTIME": {"MAY_ENTR": "nowhere"}}, {"transports.E008"}),
        (
            {"MAY_ENTER": "builtins.any", "INSTALLED_APPS": [TRANSPORTS, "polling"]},
            {"transports.E003"},
        ),
        ({"TELEMETRY": "transports.telemetry.Missing"}, {"transports.E009"}),
        ({"STORE": "nowhere.Store"}, {"transports.E009"}),
        ({"MIDDLEWARE": MIDDLEWARE}, {"transports.W002"}),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, {"transports.W003"}),
        ({"CHANNEL_LAYERS": SHARED}, {"transports.W004"}),
        ({"CHANNEL_LAYERS": SHARED, "REDIS_URL": "redis://127.0.0.1:1/0"}, set()),
        ({"CHANNEL_LAYERS": SHARED, "REDIS_URL": "redis+cluster://one:1"}, {"transports.E007"}),
        ({"CHANNEL_LAYERS": CLUSTER, "REDIS_URL": "redis+cluster://one:1"}, set()),
        ({"CHANNEL_LAYERS": CLUSTER, "REDIS_URL": "redis+cluster://one:1/3"}, {"transports.E006"}),
    ],
)
def test_missing_parts_are_named(changes: dict[str, Any], expected: set[str]) -> None:
    assert ids(**changes) == expected


def test_several_processes_need_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert ids() == {"transports.E004"}
    assert ids(REDIS_URL="redis://127.0.0.1:1/0", CHANNEL_LAYERS=SHARED) == set()
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    assert ids() == set()


def test_runserver_needs_an_asgi_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["manage.py", "runserver"])
    assert ids() == {"transports.W005"}
