"""ASGI base classes of the HTTP techniques and of publishing.

Plain ASGI, before Django: an open response needs no thread, and all techniques skip the same
middleware.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from transports import feed
from transports.events import Batch, batch_json
from transports.http.problems import Problem, problem_of
from transports.http.request import Request, permitted
from transports.http.scope import Receive, Scope, Send, check_host
from transports.telemetry import telemetry

Headers = Iterable[tuple[bytes, bytes]]

# Fetch §3.6 and §3.7: browsers must not guess the type, and other sites need CORS.
PROTECTED = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_WHOLE = ((b"cache-control", b"no-store"), *PROTECTED)


class Endpoint:
    """An HTTP resource. Subclasses respond in `respond`, or raise `Problem`."""

    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")

    @classmethod
    def as_asgi(cls) -> Any:
        """Return the ASGI application for a route, as Channels' consumers do."""
        feed.serve()
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_host(scope)
            check_method(scope["method"], self.methods)
            await self.respond(await permitted(Request, scope, receive), receive, send)
        except Exception as error:
            await reject(send, problem_of(error, scope["path"]))

    async def respond(self, request: Any, receive: Receive, send: Send) -> None:
        raise NotImplementedError


class BatchEndpoint(Endpoint):
    """A response of one batch, which therefore has a Content-Length."""

    technique: ClassVar[str]

    async def batch(self, request: Request) -> Batch:
        raise NotImplementedError

    async def respond(self, request: Request, receive: Receive, send: Send) -> None:
        meter = telemetry().meter(self.technique)
        meter.opened()
        try:
            async with request.present(request.room):
                batch = await self.batch(request)
                await answer(send, 200, b"application/json", batch.encoded_by(batch_json))
                meter.delivered(batch, live=request.since is not None)
        finally:
            meter.closed()


def check_method(method: str, allowed: tuple[str, ...]) -> None:
    """Raise `Problem` (405) unless the method is allowed."""
    if method not in allowed:
        names = ", ".join(allowed)
        detail = f"The method must be one of {names}; got {method[:40]}."
        raise Problem(405, "method", detail, {"Allow": names})


async def answer(
    send: Send, status: int, content_type: bytes, body: bytes, headers: Headers = ()
) -> None:
    """Send a whole response, with its Content-Length."""
    length = (b"content-length", b"%d" % len(body))
    fields = [(b"content-type", content_type), length, *_WHOLE, *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def reject(send: Send, problem: Problem) -> None:
    """Send a problem as problem+json (RFC 9457)."""
    headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    await answer(send, problem.status, b"application/problem+json", problem.body, headers)
