"""ASGI's vocabulary, and the two things every rule reads from a scope."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> bytes:
    """The header `name` (lower case); empty where it was not sent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def client_address(scope: Scope) -> str:
    """The client's address, by the proxy's word where the server is told to take it
    (`--proxy-headers`); empty where nobody knows, as behind a Unix socket without it."""
    client = scope.get("client")
    return str(client[0]) if client else ""


FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


def is_on_this_machine(scope: Scope) -> bool:
    """Whether the client is a program on this machine.

    One that speaks for somebody else is not: behind a tunnel or a proxy on this machine the
    whole world has a loopback address.
    """
    try:
        loopback = ipaddress.ip_address(client_address(scope)).is_loopback
    except ValueError:
        return False
    return loopback and not any(name in FORWARDED for name, _ in scope["headers"])
