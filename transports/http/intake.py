"""Target and Host of a request, and rejections before any technique."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from transports.http.base import reject
from transports.http.problems import Problem
from transports.http.scope import Receive, Scope, Send

# RFC 9110 §7.2, RFC 3986 §3.2.2
_HOST = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


def check_hosts(hosts: Sequence[bytes], http_version: str) -> None:
    """Raise `Problem` unless a request with these Host headers is valid (RFC 9112 §3.2).

    HTTP/1.0 requires none.
    """
    if len(hosts) == 1 and _HOST.fullmatch(hosts[0]):
        return
    if hosts or http_version == "1.1":
        shown = repr(hosts[0][:40].decode("latin-1")) if len(hosts) == 1 else str(len(hosts))
        raise Problem(400, "host", f"Expected one Host header with a host; got {shown}.")


def split_target(scope: Scope) -> None:
    """Take host and path from an absolute target (RFC 9112 §3.2.2), which some servers leave."""
    target = urlsplit(scope["path"])
    host = target.netloc.encode()
    scope["path"] = target.path or "/"
    scope["raw_path"] = urlsplit(scope.get("raw_path") or b"").path or b"/"
    scope["headers"] = [
        (name, host if name == b"host" else value) for name, value in scope["headers"]
    ]


async def deny(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Send a problem in response to a request or to a WebSocket handshake.

    A server without the ASGI extension "WebSocket Denial Response" answers the handshake with 403.
    """
    if scope["type"] == "http":
        await reject(send, problem)
        return
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return

    async def send_denial(message: dict[str, Any]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await reject(send_denial, problem)
