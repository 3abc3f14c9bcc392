"""Routes of the application, and paths outside its mount point."""

from __future__ import annotations

from typing import Any

import pytest
from channels.routing import URLRouter
from django.urls import re_path

from transports.boundary import Boundary
from transports.routing import router

DENIAL: dict[str, Any] = {"websocket.http.response": {}}


async def test_a_path_is_resolved_once_below_the_mount_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: list[tuple[str, dict[str, Any]]] = []
    matched: list[str] = []

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        received.append((scope["path"], scope["url_route"]["kwargs"]))

    nested: Any = URLRouter([re_path(r"^(?P<room>[^/]+)/$", endpoint)])  # type: ignore[arg-type]
    first = re_path(r"^first/(?P<room>[^/]+)/$", endpoint)  # type: ignore[arg-type]
    match = first.pattern.match

    def count(path: str) -> Any:
        matched.append(path)
        return match(path)

    monkeypatch.setattr(first.pattern, "match", count)
    application: Any = router([first, re_path("^nested/", nested)])
    for path in ("/first/a/", "/first/b/", "/first/a/", "/nested/c/", "/nested/d/"):
        scope = {"type": "http", "path": f"/class{path}", "root_path": "/class"}
        await application(scope, None, None)
    assert received == [
        ("/class/first/a/", {"room": "a"}),
        ("/class/first/b/", {"room": "b"}),
        ("/class/first/a/", {"room": "a"}),
        ("/class/nested/c/", {"room": "c"}),
        ("/class/nested/d/", {"room": "d"}),
    ]
    assert matched == ["first/a/", "first/b/", "nested/c/", "nested/d/"]


@pytest.mark.parametrize(
    ("kind", "extensions", "answer"),
    [
        ("http", {}, ("http.response.start", 404)),
        ("websocket", {}, ("websocket.close", None)),
        ("websocket", DENIAL, ("websocket.http.response.start", 404)),
    ],
)
async def test_a_path_outside_the_mount_point_is_rejected(
    kind: str, extensions: dict[str, Any], answer: tuple[str, int | None]
) -> None:
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError(scope["path"])

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    boundary = Boundary(application, root_path="/class")
    scope = {"type": kind, "path": "/classes/", "headers": [], "extensions": extensions}
    await boundary({"asgi": {"spec_version": "2.3"}, **scope}, receive, send)
    assert (sent[0]["type"], sent[0].get("status")) == answer
