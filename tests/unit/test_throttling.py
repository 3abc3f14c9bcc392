"""Limits by address: on publishing, connections and log-ins, and with rates below one."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.support.accounts import Accounts
from transports.auth.views import failures
from transports.boundary import Boundary
from transports.http.problems import Problem
from transports.http.request import Request
from transports.http.throttling import publishing, take_turn

# One IPv6 network, which belongs to one client.
ONE_CLIENT = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:DB8:1:2:0:0:0:2"]
ANOTHER = "2001:db8:1:3::1"
# IPv4 addresses on a dual-stack socket: similar only in notation.
STRANGERS = ["::ffff:192.0.2.1", "::ffff:192.0.2.2"]
WITHOUT_ADDRESS: list[Any] = [None, ["", 0]]


@pytest.fixture(autouse=True)
def without_history() -> None:
    failures.clear()
    publishing.clear()


def is_rejected(address: Any) -> bool:
    client = [address, 1] if isinstance(address, str) else address
    try:
        scope: dict[str, Any] = {"client": client, "query_string": b"", "url_route": {"kwargs": {}}}
        take_turn(Request(scope))
    except Problem:
        return True
    return False


@override_settings(PUBLISH_RATE=1)
def test_one_client_shares_a_publish_rate() -> None:
    assert [is_rejected(address) for address in ONE_CLIENT] == [False, False, True]
    assert not is_rejected(ANOTHER)
    assert not any(is_rejected(address) for address in STRANGERS * 2)
    # An address counts as the same over either family; clients without one are not counted.
    assert is_rejected("192.0.2.1")
    assert not any(is_rejected(client) for client in WITHOUT_ADDRESS * 5)


async def rejections(*addresses: str | None, most: int, fails: bool = False) -> list[bool]:
    """Open a connection from each address while the former are open; return which are rejected.

    With `fails`, the application raises an exception for the last one.
    """
    rejected: list[bool] = []
    nothing: Any = None

    async def application(scope: Any, receive: Any, send: Any) -> None:
        rejected.append("problem" in scope)
        if scope["others"]:
            await open_all(scope["others"])
        elif fails:
            raise LookupError

    boundary = Boundary(application, most_per_address=most, body_size=1)

    async def open_all(addresses: tuple[str | None, ...]) -> None:
        client = [addresses[0], 1] if addresses[0] else None
        scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"localhost")]}
        await boundary(scope | {"client": client, "others": addresses[1:]}, nothing, nothing)

    for _ in range(2):  # closed connections do not count
        rejected.clear()
        with pytest.raises(LookupError) if fails else nullcontext():
            await open_all(addresses)
    return rejected


async def test_open_connections_of_an_address_are_limited() -> None:
    assert await rejections("a", "a", most=1) == [False, True]
    assert await rejections("a", "b", most=1) == [False, False]
    assert await rejections("a", most=1, fails=True) == [False]
    assert await rejections(None, None, most=1) == [False, False]


async def test_one_client_shares_a_connection_limit() -> None:
    addresses = [*ONE_CLIENT, ANOTHER, *STRANGERS, STRANGERS[0]]
    expected = [False, False, True, False, False, False, False]
    assert await rejections(*addresses, most=2) == expected


def log_in(accounts: Accounts, address: str) -> int:
    form = {"username": "nobody", "password": "wrong"}
    return accounts.now(lambda: Client(REMOTE_ADDR=address).post("/login/", form)).status_code


@override_settings(LOGIN_RATE=2, ALLOWED_HOSTS=["testserver"])
def test_one_client_shares_a_login_limit(accounts: Accounts) -> None:
    assert [log_in(accounts, address) for address in ONE_CLIENT] == [200, 200, 429]
    assert log_in(accounts, ANOTHER) == 200
    assert [log_in(accounts, "") for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0, 1.9])
def test_a_rate_below_one_allows_one_failure(rate: float, accounts: Accounts) -> None:
    with override_settings(LOGIN_RATE=rate, ALLOWED_HOSTS=["testserver"]):
        assert [log_in(accounts, "192.0.2.1") for _ in range(3)] == [200, 429, 429]
