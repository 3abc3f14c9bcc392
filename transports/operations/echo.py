"""`GET /mirror/`: the request as it reached the application, and so what a proxy did to it."""

from __future__ import annotations

from typing import Any

from transports.events import encode
from transports.http.base import answer
from transports.http.scope import Receive, Scope, Send, client_address, header, scheme_of

# Nothing that is a secret: a reflection is easily logged.
SHOWN = (
    "accept-encoding",
    "connection",
    "host",
    "last-event-id",
    "origin",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
)


class EchoEndpoint:
    """`{"http_version", "scheme", "path", "query", "client", "headers"}`."""

    @classmethod
    def as_asgi(cls) -> Any:
        return cls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: header(scope, name.encode()).decode("latin-1") for name in SHOWN}
        document = {
            "http_version": scope["http_version"],
            "scheme": scheme_of(scope),
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "client": client_address(scope),
            "headers": {name: value for name, value in headers.items() if value},
        }
        await answer(send, 200, b"application/json", encode(document))
