"""Cross-origin requests to the techniques and to publishing (CORS, Fetch §3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.middleware.cors import CORSMiddleware

from transports.http.near_misses import PATHS
from transports.http.scope import Application, Receive, Scope, Send, header

MAX_AGE = 600  # seconds for which a browser keeps the response to a preflight request


class CrossOrigin:
    """An ASGI application around `application`, for the pages of `origins`.

    They may send cookies and tokens, and read the responses of the techniques and of publishing,
    but of nothing else. Requests without an Origin, and those of other origins, are unchanged.
    """

    def __init__(self, application: Application, origins: Sequence[str]) -> None:
        self.application = application
        self.origins = frozenset(origin.encode() for origin in origins)
        self.prefixes = tuple({f"/{path.split('/')[1]}/" for path in PATHS})
        middleware: Any = CORSMiddleware
        self.shared: Application = middleware(
            application,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("Authorization", "Idempotency-Key", "Last-Event-ID"),
            allow_credentials=True,
            expose_headers=("Cursor", "Retry-After"),
            max_age=MAX_AGE,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        application = self.application
        if (
            scope["type"] == "http"
            and header(scope, b"origin") in self.origins
            and scope["path"].startswith(self.prefixes)
        ):
            application = self.shared
        await application(scope, receive, send)
