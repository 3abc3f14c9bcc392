"""Routes of the application, and paths outside its mount point."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from channels.routing import URLRouter
from django.urls import re_path

from tests.support.waiting import BOUND
from transports.boundary import Boundary
from transports.http.problems import Problem
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


HTTP = {"type": "http", "path": "/", "headers": [(b"host", b"localhost")]}


async def discard(message: dict[str, Any]) -> None:
    """Send nothing."""


async def test_a_problem_of_a_socket_s_application_ends_the_socket() -> None:
    """It may have accepted the handshake: only the server can close the connection then."""
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "websocket.connect"})

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise Problem(400, "cursor", "An invalid cursor.")

    async with asyncio.timeout(BOUND):
        with pytest.raises(Problem):
            await Boundary(application)({**HTTP, "type": "websocket"}, messages.get, discard)


async def test_a_request_over_the_limit_leaves_no_reference_cycle() -> None:
    """Under overload, the garbage collector would run all the time."""

    class Scope(dict[str, Any]):
        """A dictionary that can be referenced weakly."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        inner = Scope(HTTP)
        reference = weakref.ref(inner)
        gc.disable()
        try:
            await boundary(inner, receive, discard)
            del inner
            freed.append(reference() is None)
        finally:
            gc.enable()

    freed: list[bool] = []
    boundary = Boundary(application, most=1)
    nothing: Any = None
    await boundary(dict(HTTP), nothing, discard)
    assert freed == [True]


async def test_a_body_rejected_after_the_status_gets_no_second_one() -> None:
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert await receive() == {"type": "http.disconnect"}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"too long", "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [*HTTP["headers"], (b"transfer-encoding", b"chunked")]
    await Boundary(application, body_size=1)({**HTTP, "headers": headers}, receive, send)
    assert [message.get("status") for message in sent] == [200]


@pytest.mark.parametrize("turns", range(4))
async def test_a_body_that_arrives_too_late_does_not_prevent_the_stop(turns: int) -> None:
    """Its request is being rejected when the services have stopped."""

    class Service:
        """A service that stops late."""

        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            begun.set()
            await stopped.wait()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    begun, stopped = asyncio.Event(), asyncio.Event()
    never: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    boundary = Boundary(application, [Service()])
    lifespan = asyncio.create_task(boundary({"type": "lifespan"}, sent.get, discard))
    sent.put_nowait({"type": "lifespan.startup"})
    sent.put_nowait({"type": "lifespan.shutdown"})
    await begun.wait()
    headers = [*HTTP["headers"], (b"transfer-encoding", b"chunked")]
    scope = {**HTTP, "headers": headers}
    request = asyncio.create_task(boundary(scope, never.get, discard))
    for _ in range(turns):
        await asyncio.sleep(0)
    stopped.set()
    async with asyncio.timeout(BOUND):
        await asyncio.gather(request, lifespan)
