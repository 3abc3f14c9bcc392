"""`GET /mirror/`: the request as it reached the application, to see what a proxy did to it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from transports.http.scope import client_address, header, scheme_of
from transports.http.views import api_view, json_response

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


@api_view("GET", "HEAD")
async def echo(request: HttpRequest) -> HttpResponse:
    """`{"http_version", "scheme", "path", "query", "client", "headers"}`."""
    scope: dict[str, Any] = request.scope  # type: ignore[attr-defined]
    headers = {name: header(scope, name.encode()).decode("latin-1") for name in SHOWN}
    return json_response(
        {
            "http_version": scope["http_version"],
            "scheme": scheme_of(scope),
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "client": client_address(scope),
            "headers": {name: value for name, value in headers.items() if value},
        }
    )
