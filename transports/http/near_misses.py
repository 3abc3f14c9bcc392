"""Responses to paths that are almost a technique's."""

from __future__ import annotations

import re

from transports.http.base import Endpoint
from transports.http.intake import deny
from transports.http.problems import Problem
from transports.http.request import check_room_name
from transports.http.scope import Receive, Scope, Send, check_host
from transports.registry import BY_NAME, TECHNIQUES

PUBLISH = "/publish/{room}/"
PATHS = (PUBLISH, *(technique.path for technique in TECHNIQUES))
SOCKETS = tuple(
    re.compile(technique.path.format(room="[^/]+"))
    for technique in TECHNIQUES
    if technique.scheme == "ws"
)
_first = {path.split("/")[1] for path in PATHS}
# The name of a technique or the first part of its path, in any case, and a room.
NEAR_MISS = rf"^/*(?i:{'|'.join(sorted(_first | BY_NAME.keys()))})/.+$"


class NearMiss(Endpoint):
    """Rejects a request with the path that the client may have meant.

    An HTTP request to a WebSocket's path without a handshake receives 426, with the fields that a
    handshake needs (RFC 9110 §15.5.22, RFC 6455 §4.4).
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_host(scope)
            raise scope.get("problem") or problem_for(scope)
        except Problem as problem:
            await deny(scope, receive, send, problem)


def problem_for(scope: Scope) -> Problem:
    """Return the problem of a request that no technique serves."""
    path: str = scope["path"]
    if scope["type"] == "websocket" and not path.lower().startswith("/websocket"):
        path = f"/websocket/{path.strip('/').partition('/')[2]}"
    if scope["type"] == "http" and any(socket.fullmatch(path) for socket in SOCKETS):
        headers = {"Sec-WebSocket-Version": "13"}
        if scope["http_version"].startswith("1"):  # HTTP/2 has no such fields (RFC 9113 §8.2.2)
            headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
        return Problem(
            426, "upgrade", "Expected a WebSocket handshake of HTTP/1.1, version 13.", headers
        )
    expected = " or ".join(paths_near(path))
    return Problem(404, "path", f"The path must be {expected}; got {scope['path'][:100]!r}.")


def paths_near(path: str) -> list[str]:
    """Return the paths of the technique, or of publishing, that `path` names."""
    first, room, *_ = [*path.lower().strip("/").split("/"), ""]
    try:
        check_room_name(room)
    except Problem:
        room = "<room>"
    technique = BY_NAME.get(first)
    templates = [template for template in PATHS if template.startswith(f"/{first}/")]
    if not templates and technique is not None:  # a name that begins no path, such as "sse"
        templates = [technique.path]
    paths = [template.format(room=room) for template in templates]
    with_slash = f"{path}/".lower()
    return [with_slash] if with_slash in paths else paths


class ServerOptions(Endpoint):
    """`OPTIONS *`: the server as a whole, as a ping (RFC 9110 §9.3.7)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"allow", b"GET, HEAD, POST, OPTIONS"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
