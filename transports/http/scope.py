"""ASGI's types, and readers of a scope: header, Host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from transports.http.problems import Problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> bytes:
    """Return the header `name` (lower case); empty if it was not sent."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def check_host(scope: Scope) -> None:
    """Raise `Problem` unless `ALLOWED_HOSTS` allows the Host: prevents DNS rebinding."""
    host = header(scope, b"host").decode("latin-1")
    if host and not _is_our_host(host):
        raise Problem(400, "host", f"The Host must be one of this server's; got {host[:40]!r}.")


@lru_cache(maxsize=1024)
def _is_our_host(host: str) -> bool:
    name, _port = split_domain_port(host)
    allowed = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed:  # as in `HttpRequest.get_host`
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    return bool(name) and validate_host(name, allowed)
