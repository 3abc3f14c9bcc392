"""ASGI's types, and readers of a scope: header, client, scheme, Host, Origin."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from transports.conf import conf
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


def client_address(scope: Scope) -> str:
    """Return the client's address; with `BEHIND_PROXY`, the one that the proxy reports.

    Empty if unknown, as on a Unix socket without a proxy.
    """
    client = scope.get("client")
    return str(client[0]) if client else ""


FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


def is_on_this_machine(scope: Scope) -> bool:
    """Return whether the client is a program on this machine, and not a proxy or a tunnel.

    Behind a proxy on this machine every client has a loopback address.
    """
    try:
        loopback = ipaddress.ip_address(client_address(scope)).is_loopback
    except ValueError:
        return False
    return loopback and not any(name in FORWARDED for name, _ in scope["headers"])


def check_host(scope: Scope) -> None:
    """Raise `Problem` unless `ALLOWED_HOSTS` allows the Host: prevents DNS rebinding."""
    host = header(scope, b"host").decode("latin-1")
    if host and not _is_our_host(host):
        raise Problem(400, "host", f"The Host must be one of this server's; got {host[:40]!r}.")


def check_origin(scope: Scope) -> None:
    """Raise `Problem` if an Origin was sent that is neither the server's nor allowed.

    Protects against cross-site publishing and cross-site sockets, which carry cookies too
    (RFC 6455 §10.2). Browsers send an Origin; programs need none.
    """
    origin = header(scope, b"origin").decode("latin-1")
    if not origin:
        return
    host = header(scope, b"host").decode("latin-1")
    if not _is_our_origin(origin, host, scheme_of(scope)):
        raise Problem(
            403, "origin", f"The origin must be this server's or allowed; got {origin[:40]!r}."
        )


def scheme_of(scope: Scope) -> str:
    """Return http or https; with `SECURE_PROXY_SSL_HEADER`, as the proxy reports it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        wire_name = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
        return "https" if header(scope, wire_name).decode("latin-1") == secure else "http"
    return "https" if scope.get("scheme") in ("https", "wss") else "http"


@lru_cache(maxsize=1024)
def _is_our_origin(origin: str, host: str, scheme: str) -> bool:
    if origin in conf.ALLOWED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
        return (
            parts.scheme == scheme
            and parts.hostname is not None
            and (parts.hostname, parts.port or _default_port(scheme))
            == _host_and_port(host, scheme)
            and origin == f"{scheme}://{parts.netloc}"
            and "@" not in origin
        )
    except ValueError:
        return False


def _host_and_port(host: str, scheme: str) -> tuple[str | None, int]:
    parts = urlsplit(f"//{host}")
    return parts.hostname, parts.port or _default_port(scheme)


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


@lru_cache(maxsize=1024)
def _is_our_host(host: str) -> bool:
    name, _port = split_domain_port(host)
    allowed = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed:  # as in `HttpRequest.get_host`
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    return bool(name) and validate_host(name, allowed)
