"""Authentication, permissions, Host and Origin."""

from __future__ import annotations

from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.contrib.auth.models import AnonymousUser, User
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from transports.auth.middleware import TokenAuthMiddlewareStack
from transports.auth.permissions import check_room
from transports.auth.revalidation import Credential, UserConnection
from transports.feed import group_of
from transports.http.names import name_of
from transports.http.problems import Problem
from transports.http.scope import check_host, check_origin


def scope(scheme: str = "http", **headers: str) -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "scheme": scheme, "headers": pairs}


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://demo.test", "demo.test", "http"),
        ("http://demo.test", "demo.test:80", "http"),
        ("http://demo.test:8000", "demo.test:8000", "ws"),
        ("https://demo.test", "demo.test:443", "wss"),
        ("http://[::1]:8000", "[::1]:8000", "http"),
        ("https://partner.test", "demo.test", "http"),
        ("", "demo.test", "http"),
    ],
)
@override_settings(ALLOWED_ORIGINS=["https://partner.test"])
def test_allowed_origins(origin: str, host: str, scheme: str) -> None:
    check_origin(scope(scheme, origin=origin, host=host))


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://evil.test", "demo.test", "http"),
        ("https://demo.test", "demo.test", "http"),
        ("http://demo.test", "demo.test", "https"),
        ("http://demo.test:81", "demo.test", "http"),
        ("http://demo.test.evil.test", "demo.test", "http"),
        ("http://evil@demo.test", "demo.test", "http"),
        ("http://demo.test/path", "demo.test", "http"),
        ("http://[::1", "[::1", "http"),
        ("null", "demo.test", "http"),
        ("null", "null", "http"),
        ("http://partner.test", "demo.test", "http"),
    ],
)
@override_settings(ALLOWED_ORIGINS=["https://partner.test"])
def test_rejected_origins(origin: str, host: str, scheme: str) -> None:
    with pytest.raises(Problem) as rejection:
        check_origin(scope(scheme, origin=origin, host=host))
    assert rejection.value.status == 403


@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_the_scheme_follows_secure_proxy_ssl_header() -> None:
    headers = {"host": "demo.test", "origin": "https://demo.test"}
    check_origin(scope(**headers, **{"x-forwarded-proto": "https"}))
    with pytest.raises(Problem):
        check_origin(scope(**headers))


@override_settings(ALLOWED_HOSTS=["demo.test", "[::1]"])
def test_hosts_are_checked() -> None:
    for good in ("demo.test", "DEMO.test:8000", "demo.test.:8000", "[::1]:8000", ""):
        check_host(scope(host=good))
    userinfo, path = "evil.test@demo.test", "demo.test/evil.test"
    for bad in ("evil.test", "demo.test.evil.test", "[::1", "evil.test:demo.test", userinfo, path):
        with pytest.raises(Problem) as rejection:
            check_host(scope(host=bad))
        assert rejection.value.status == 400


def test_rooms_are_checked() -> None:
    anonymous, staff = AnonymousUser(), User(username="grace", is_staff=True)
    for good in ("a", "lobby", "2026-11", "-", "a" * 64, "staff"):
        check_room(good, anonymous)
    check_room("staff-lounge", staff)
    with pytest.raises(Problem) as forbidden:
        check_room("staff-lounge", anonymous)
    assert forbidden.value.status == 403
    for bad in ("", "A", "a_b", "a" * 65, "a\n", "한국", "a/b", "\u0661"):
        with pytest.raises(Problem) as invalid:
            check_room(bad, staff)
        assert invalid.value.status == 404


@given(st.text())
def test_valid_room_names_are_canonical_and_safe(name: str) -> None:
    """A valid name needs no escaping in a path, a Redis key or a group's name."""
    try:
        check_room(name, User(is_staff=True))
    except Problem as problem:
        assert problem.status == 404
    else:
        assert 1 <= len(name) <= 64
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert InMemoryChannelLayer().require_valid_group_name(group_of(name))


async def test_anonymous_requests_cost_no_session_query() -> None:
    received: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.append((scope["user"].is_authenticated, "session" in scope))

    stack = TokenAuthMiddlewareStack(application)
    await stack(scope(), None, None)  # type: ignore[arg-type]
    await stack(scope(cookie="theme=dark"), None, None)  # type: ignore[arg-type]
    assert received == [(False, False)] * 2


def test_revalidation_updates_the_user_of_a_connection() -> None:
    """A renamed user publishes under the new name: the old one may belong to another user."""
    user = User(username="ada")
    connection = UserConnection({"type": "websocket", "user": user}, Credential(session="key"))
    connection.revalidate({"key": User(username="grace", is_staff=True)})
    assert (name_of(user), user.is_staff) == ("grace", True)
