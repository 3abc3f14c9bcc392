"""Authentication, permissions, Host and Origin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from tests.support.accounts import Accounts
from tests.support.waiting import until
from transports.auth import revalidation
from transports.auth.middleware import TokenAuthMiddlewareStack
from transports.auth.permissions import check_room
from transports.auth.revalidation import Credential, UserConnection
from transports.auth.sessions import session_user
from transports.feed import group_of
from transports.http.names import name_of
from transports.http.origin import check_origin
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.scope import check_host


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
def test_allowed_origins_are_accepted(origin: str, host: str, scheme: str) -> None:
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
def test_origins_of_other_sites_are_rejected(origin: str, host: str, scheme: str) -> None:
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


async def test_revalidation_updates_the_user_of_a_connection() -> None:
    """A renamed user publishes under the new name: the old one may belong to another user."""
    user = User(username="ada")
    connection = UserConnection({"type": "websocket", "user": user}, Credential(session="key"))
    connection.revalidate({"key": User(username="grace", is_staff=True)})
    assert (name_of(user), user.is_staff) == ("grace", True)


# --- MAY_ENTER ---------------------------------------------------------------------------------


def only_readers(user: Any, room: str, action: str) -> bool:
    return action == "read" and room != "closed"


def failing(user: Any, room: str, action: str) -> bool:
    raise KeyError(room)


@override_settings(MAY_ENTER=f"{__name__}.only_readers")
def test_may_enter_decides_by_room_and_action() -> None:
    check_room("staff-lounge", AnonymousUser())
    for room, action in (("closed", "read"), ("open", "publish")):
        with pytest.raises(Problem) as forbidden:
            check_room(room, AnonymousUser(), action)  # type: ignore[arg-type]
        assert (forbidden.value.status, forbidden.value.code) == (403, "room")


def test_a_user_model_without_is_staff_has_no_staff() -> None:
    with pytest.raises(Problem):
        check_room("staff-lounge", object())
    check_room("lobby", object())


def request_scope(**members: Any) -> dict[str, Any]:
    route = {"kwargs": {"room": "lobby"}}
    return {"url_route": route, "query_string": b"", "headers": [], **members}


@override_settings(MAY_ENTER=f"{__name__}.only_readers")
def test_may_enter_without_the_middleware_closes_every_room() -> None:
    with pytest.raises(Problem) as forbidden:
        Request(request_scope())
    assert "TokenAuthMiddlewareStack" in forbidden.value.detail


def test_a_user_who_cannot_be_rechecked_is_rejected() -> None:
    """Another middleware has authenticated the user."""
    Request(request_scope(user=AnonymousUser()))
    with pytest.raises(Problem) as forbidden:
        Request(request_scope(user=User(username="ada")))
    assert forbidden.value.status == 403


# --- Re-checks ---------------------------------------------------------------------------------

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with Accounts(tmp_path) as accounts:
        accounts.user("ada")
        yield accounts


def log_in() -> Any:
    """Return a saved session of the user ada."""
    user = User.objects.get(username="ada")
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


def name_at(key: str) -> str:
    return str(session_user(key).get_username())


def names_at_recheck(key: str) -> list[str]:
    users = revalidation.look_up({Credential(session=key)})
    return [user.get_username() for user in users.values()]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_session_of_any_engine_is_checked_again(
    engine: str, accounts: Accounts, tmp_path: Path
) -> None:
    path = f"django.contrib.sessions.backends.{engine}"
    with override_settings(SESSION_ENGINE=path, SESSION_FILE_PATH=tmp_path):
        session = accounts.now(log_in)
        key = session.session_key
        assert accounts.now(lambda: (name_at(key), names_at_recheck(key))) == ("ada", ["ada"])
        if engine != "signed_cookies":  # the server cannot end these before they expire
            accounts.now(session.flush)
            assert accounts.now(lambda: (name_at(key), names_at_recheck(key))) == ("", [])
        key = accounts.now(log_in).session_key
        accounts.user("ada", password="another")
        assert accounts.now(lambda: (name_at(key), names_at_recheck(key))) == ("", [])


def test_a_rotated_secret_key_ends_no_session(accounts: Accounts) -> None:
    key = accounts.now(log_in).session_key
    rotated = {"SECRET_KEY": "another", "SECRET_KEY_FALLBACKS": [settings.SECRET_KEY]}
    with override_settings(**rotated):
        for _ in range(2):  # reading changes nothing
            assert accounts.now(lambda: (name_at(key), names_at_recheck(key))) == ("ada", ["ada"])
    with override_settings(SECRET_KEY="another"):
        assert accounts.now(lambda: (name_at(key), names_at_recheck(key))) == ("", [])
    assert accounts.now(lambda: name_at(key)) == "ada", "authentication deletes no session"


def fail_in_the_database(credentials: set[Credential]) -> Any:
    raise DatabaseError("unavailable")


def fail(credentials: set[Credential]) -> Any:
    raise KeyError("a fault")


def ada(credentials: set[Credential]) -> Any:
    return {"key": User(username="ada")}


@pytest.mark.parametrize(
    ("look_up", "grace", "rule"),
    [(fail_in_the_database, 0.0, ""), (fail, 60.0, ""), (ada, 60.0, f"{__name__}.failing")],
)
async def test_a_connection_that_cannot_be_rechecked_closes(
    look_up: Any, grace: float, rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revalidation, "INTERVAL", 0.01)
    monkeypatch.setattr(revalidation, "GRACE", grace)
    monkeypatch.setattr(revalidation, "look_up", look_up)
    sent: list[Any] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        Request(scope)
        with override_settings(MAY_ENTER=rule):
            await asyncio.Event().wait()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    open_scope = request_scope(type="http", user=User(username="ada"))
    connection = UserConnection(open_scope, Credential(session="key"))
    running = asyncio.create_task(connection.run(stream, open_scope, None, send))  # type: ignore[arg-type]
    await until(running.done)
    assert sent[0]["status"] == 503
