"""Which room, which Host and which Origin may."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.translation import gettext_noop as _

from transports.refusals import Refusal

from .scope import Scope, header

_ROOM = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
STAFF_PREFIX = "staff-"
# Programs are told in English; the page says it in its reader's language.
NO_ROOM = _("A room's name has 1 to 64 of the characters a-z, 0-9 and '-'.")
STAFF_ROOM = _("A room whose name starts with 'staff-' is for staff alone.")


def check_room(room: str, user: Any) -> None:
    """Raise `Refusal` unless `room` is the name of a room that `user` may enter."""
    if not _ROOM.fullmatch(room):
        raise Refusal(404, "room", NO_ROOM)
    if not is_open_to(room, user):
        raise Refusal(403, "room", STAFF_ROOM)


def is_open_to(room: str, user: Any) -> bool:
    """Whether `user` may enter `room`."""
    return bool(user.is_staff) or not room.startswith(STAFF_PREFIX)


def enter(scope: Scope, room: str) -> None:
    """`check_room`, now and for as long as the connection is open. Raises `Refusal`.

    Who is nobody has nothing to lose: only a user's connection is asked about again.
    """
    check_room(room, scope["user"])
    connection = scope.get("connection")
    if connection is not None:
        connection.enter(room)


def check_host(scope: Scope) -> None:
    """Raise `Refusal` unless the Host is one of ours, as Django does (DNS rebinding)."""
    host = header(scope, b"host").decode("latin-1")
    # HTTP/1.0 needs no Host (RFC 9112 §3.2): nothing to be misled by then.
    if host and not _is_our_host(host):
        raise Refusal(400, "host", "The Host header names a host that is not served here.")


def check_origin(scope: Scope) -> None:
    """Raise `Refusal` where an Origin is sent (by a browser, that is) that is not one of ours.

    This is the defence against cross-site publishing and against cross-site sockets, which
    carry cookies too (RFC 6455 §10.2). A program sends no Origin, and may.
    """
    origin = header(scope, b"origin").decode("latin-1")
    if not origin:
        return
    host = header(scope, b"host").decode("latin-1")
    if not _is_our_origin(origin, host, scheme_of(scope)):
        raise Refusal(403, "origin", f"The origin {origin[:100]} may not do this here.")


def scheme_of(scope: Scope) -> str:
    """http or https, by the proxy's word where Django is told to take it."""
    if settings.SECURE_PROXY_SSL_HEADER:
        name, secure = settings.SECURE_PROXY_SSL_HEADER
        wire_name = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
        return "https" if header(scope, wire_name).decode("latin-1") == secure else "http"
    return "https" if scope.get("scheme") in ("https", "wss") else "http"


@lru_cache(maxsize=1024)
def _is_our_origin(origin: str, host: str, scheme: str) -> bool:
    if origin in settings.ALLOWED_ORIGINS:
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
    return bool(name) and validate_host(name, settings.ALLOWED_HOSTS)
