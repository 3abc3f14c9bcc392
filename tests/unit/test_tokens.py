"""Tokens, the command that issues them, the limit on failed log-ins, and revalidation."""

from __future__ import annotations

import io
import re
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.contrib.auth.backends import ModelBackend
from django.core import signing
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client, override_settings
from django.utils import timezone

from tests.support.accounts import Accounts
from transports.auth import tokens
from transports.auth.views import failures
from transports.http.problems import Problem


@pytest.fixture(scope="module")
def accounts(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with Accounts(tmp_path_factory.mktemp("accounts"), url=database_url) as accounts:
        accounts.user("ada")
        accounts.user("ina", is_active=False)
        yield accounts


# --- Tokens ------------------------------------------------------------------------------------


def in_an_hour() -> Any:
    return timezone.now() + timedelta(hours=1)


def test_a_token_parses_back() -> None:
    identity, end = uuid.uuid4(), in_an_hour()
    text = tokens.write(identity, end)
    assert tokens.read(text) == (identity, end.timestamp())
    # Allowed in a Bearer header (RFC 6750) and in a subprotocol's name (RFC 9110 §5.6.2) alike.
    assert re.fullmatch(r"[A-Za-z0-9._-]+", text)
    assert len(text) < tokens.LONGEST_TOKEN


def test_an_altered_token_is_rejected() -> None:
    text = tokens.write(uuid.uuid4(), in_an_hour())
    for place in range(len(text)):
        changed = text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :]
        with pytest.raises(Problem) as rejection:
            tokens.read(changed)
        assert rejection.value.status == 401


@pytest.mark.parametrize(
    "text", ["", ".", "a.b", "x" * 100_000, "한국.어", "\x00", "a" * 600 + ".b"]
)
def test_malformed_tokens_are_rejected(text: str) -> None:
    with pytest.raises(Problem) as rejection:
        tokens.read(text)
    assert rejection.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def test_other_signed_data_is_rejected() -> None:
    other = signing.Signer(salt="something.else", sep=".")
    with pytest.raises(Problem):
        tokens.read(other.sign_object([uuid.uuid4().hex, time.time() + 60]))
    with override_settings(SECRET_KEY="another"):
        foreign = tokens.write(uuid.uuid4(), in_an_hour())
    with pytest.raises(Problem):
        tokens.read(foreign)


def test_a_token_expires() -> None:
    text = tokens.write(uuid.uuid4(), timezone.now() - timedelta(seconds=1))
    with pytest.raises(Problem, match="expired"):
        tokens.read(text)
    assert tokens.read(text, even_expired=True)


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        (b"Bearer abc", "abc"),
        (b"bearer  abc ", "abc"),  # a scheme's case does not matter (RFC 9110 §11.1)
        (b"Bearer", ""),
        (b"Basic YTpi", None),
        (b"", None),
    ],
)
def test_bearer_headers_are_parsed(authorization: bytes, token: str | None) -> None:
    assert tokens.bearer(authorization) == token


# --- The command -------------------------------------------------------------------------------


def command(accounts: Accounts, *arguments: str) -> str:
    out = io.StringIO()
    with override_settings(SECRET_KEY_IS_RANDOM=False):
        accounts.now(lambda: call_command("token", *arguments, stdout=out, stderr=io.StringIO()))
    return out.getvalue().strip()


def is_valid(accounts: Accounts, text: str) -> bool:
    try:
        user = accounts.now(lambda: tokens.user_of(tokens.read(text)))
    except Problem:
        return False
    return bool(user.get_username() == "ada")


def test_tokens_are_issued_listed_and_revoked(accounts: Accounts) -> None:
    command(accounts, "revoke", "--user", "ada")  # the tokens of earlier tests
    one, two, three = (command(accounts, "issue", "ada", "--note", "n") for _ in range(3))
    assert all(is_valid(accounts, text) for text in (one, two, three))
    identity = str(tokens.read(two).id)
    assert identity in command(accounts, "list")
    assert one not in command(accounts, "list", "--user", "ada")
    command(accounts, "revoke", one)
    command(accounts, "revoke", identity)
    assert [is_valid(accounts, text) for text in (one, two, three)] == [False, False, True]
    assert command(accounts, "revoke", "--user", "ada").startswith("Revoked: 1.")
    assert not is_valid(accounts, three)
    assert command(accounts, "list") == ""


def test_expired_tokens_are_not_listed(accounts: Accounts) -> None:
    command(accounts, "revoke", "--user", "ada")
    expired = accounts.token("ada", timedelta(seconds=-1))["Authorization"].partition(" ")[2]
    assert command(accounts, "list") == command(accounts, "list", "--user", "ada") == ""
    # Its row is deleted when the next token is issued; until then it can be revoked.
    command(accounts, "issue", "ada")
    with pytest.raises(CommandError, match="no such token"):
        command(accounts, "revoke", expired)
    assert len(command(accounts, "list").splitlines()) == 1


def test_the_expiry_option_sets_the_expiry(accounts: Accounts) -> None:
    claim = tokens.read(command(accounts, "issue", "ada", "--expires", "90s"))
    assert 60 < claim.expires - time.time() <= 90
    claim = tokens.read(command(accounts, "issue", "ada"))
    assert 29 * 86400 < claim.expires - time.time() <= 30 * 86400


ERRORS = [
    (["issue", "nobody"], "no user 'nobody'"),
    (["issue", "ina", "--expires", "1h"], "ina is not active"),
    (["issue", "ada", "--expires", "soon"], "30d"),
    (["issue", "ada", "--expires", "0s"], "30d"),
    (["issue", "ada", "--expires", "99999d"], "ten years"),
    (["revoke", "nonsense"], "must be one that this server issued"),
    (["revoke", str(uuid.uuid4())], "no such token"),
    (["revoke"], "required"),
    (["revoke", "--user", "nobody"], "no user"),
]


def test_errors_of_the_command_are_helpful(accounts: Accounts) -> None:
    for arguments, helpful in ERRORS:
        with pytest.raises(CommandError, match=helpful):
            command(accounts, *arguments)


def test_no_token_without_a_secret_key(accounts: Accounts) -> None:
    with override_settings(SECRET_KEY_IS_RANDOM=True), pytest.raises(CommandError) as error:
        accounts.now(lambda: call_command("token", "issue", "ada"))
    assert "SECRET_KEY" in str(error.value)


@pytest.mark.parametrize("action", [["issue", "ada"], ["list"], ["revoke", "--user", "ada"]])
def test_no_token_without_tables(action: list[str], tmp_path: Path) -> None:
    helpful = pytest.raises(CommandError, match=r"manage\.py migrate")
    with Accounts(tmp_path, migrated=False) as empty, helpful:
        command(empty, *action)


# --- Limits ------------------------------------------------------------------------------------


@override_settings(
    LOGIN_RATE=3,
    ALLOWED_HOSTS=["testserver"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
def test_failed_log_ins_are_limited(accounts: Accounts) -> None:
    def log_in(password: str, address: str) -> Any:
        form = {"username": "eve", "password": password}
        return accounts.now(lambda: Client(REMOTE_ADDR=address).post("/login/", form))

    def make_user() -> None:
        from django.contrib.auth.models import User

        User.objects.create_user("eve", password="right")

    accounts.now(make_user)
    failures.clear()
    for _ in range(5):  # successful log-ins are not limited
        assert log_in("right", "192.0.2.1").status_code == 302
    assert [log_in("wrong", "192.0.2.1").status_code for _ in range(4)] == [200, 200, 200, 429]
    limited = log_in("right", "192.0.2.1")
    assert limited.status_code == 429
    assert int(limited.headers["Retry-After"]) > 1
    assert log_in("right", "192.0.2.2").status_code == 302


class SlowBackend(ModelBackend):
    """An authentication backend slow enough for attempts to overlap."""

    tried: ClassVar[list[str]] = []
    many_tried: ClassVar[threading.Event] = threading.Event()

    def authenticate(self, *args: Any, **kwargs: Any) -> Any:
        self.tried.append(kwargs["password"])
        if len(self.tried) > 3:
            self.many_tried.set()
        self.many_tried.wait(0.5)
        return super().authenticate(*args, **kwargs)


@override_settings(
    LOGIN_RATE=3,
    ALLOWED_HOSTS=["testserver"],
    AUTHENTICATION_BACKENDS=[f"{__name__}.{SlowBackend.__name__}"],
)
@pytest.mark.parametrize(
    ("password", "statuses", "tried"),
    [("wrong", [200] * 3 + [429] * 9, 3), ("right", [302] * 12, 12)],
)
def test_concurrent_log_in_attempts_are_limited(
    accounts: Accounts, password: str, statuses: list[int], tried: int
) -> None:
    """Concurrent guesses reach the limit; a class that logs in together does not."""

    def make_user() -> None:
        from django.contrib.auth.models import User

        user, _ = User.objects.get_or_create(username="zoe")
        user.set_password("right")
        user.save()

    def log_in(_: int) -> int:
        try:
            form = {"username": "zoe", "password": password}
            return Client(REMOTE_ADDR="192.0.2.3").post("/login/", form).status_code
        finally:
            connections.close_all()

    accounts.now(make_user)
    failures.clear()
    SlowBackend.tried.clear()
    SlowBackend.many_tried.clear()
    with ThreadPoolExecutor(12) as threads:
        assert sorted(threads.map(log_in, range(12))) == statuses
    assert len(SlowBackend.tried) == tried


# --- Revalidation ------------------------------------------------------------------------------


def test_a_sweep_costs_three_queries(accounts: Accounts) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from transports.auth.revalidation import Credential, look_up

    def credentials(count: int) -> set[Credential]:
        headers = [accounts.token("ada")["Authorization"] for _ in range(count)]
        claims = [tokens.read(text.removeprefix("Bearer ")) for text in headers]
        sessions = [accounts.session("ada")["Cookie"].partition("=")[2] for _ in range(count)]
        return {Credential(token=claim) for claim in claims} | {
            Credential(session=key) for key in sessions
        }

    def queries(count: int) -> int:
        open_credentials = credentials(count)

        def work() -> int:
            connection.force_debug_cursor = True
            with CaptureQueriesContext(connection) as captured:
                assert len(look_up(open_credentials)) == 2 * count
            # Ignore the set-up queries of a new connection.
            return sum("SELECT" in query["sql"] for query in captured.captured_queries)

        return accounts.now(work)

    assert queries(1) == 3
    assert queries(20) == 3
    assert accounts.now(lambda: look_up(set())) == {}
