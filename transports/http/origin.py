"""The origin of a request: client address, Origin and scheme."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http.request import split_domain_port

from transports.conf import conf
from transports.http.problems import Problem
from transports.http.scope import Scope, header

FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})


def client_address(scope: Scope) -> str:
    """Return the client's address; with `BEHIND_PROXY`, the one that the proxy reports.

    Empty if unknown, as on a Unix socket without a proxy.
    """
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_on_this_machine(scope: Scope) -> bool:
    """Return whether the client is a program on this machine, and not a proxy or a tunnel.

    Behind a proxy on this machine every client has a loopback address.
    """
    try:
        loopback = ipaddress.ip_address(client_address(scope)).is_loopback
    except ValueError:
        return False
    return loopback and not any(name in FORWARDED for name, _ in scope["headers"])


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
    sent_scheme, _, sent_host = origin.partition("://")
    sent, served = _domain_and_port(sent_host, scheme), _domain_and_port(host, scheme)
    return sent_scheme == scheme and sent == served and bool(served[0])


def _domain_and_port(host: str, scheme: str) -> tuple[str, str]:
    """Return the domain, empty if `host` is invalid, and the port."""
    domain, port = split_domain_port(host)
    return domain, port or ("443" if scheme == "https" else "80")
