"""`GET /mirror/`: an echo of the request as the application received it, behind any proxy."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from transports.http.origin import client_address, scheme_of
from transports.http.scope import header
from transports.http.views import api_view, json_response

# No secrets: an echo is easily logged.
SHOWN = (
    "accept-encoding",
    "connection",
    "fly-region",
    "host",
    "last-event-id",
    "origin",
    "upgrade",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)


@api_view("GET", "HEAD")
async def echo(request: HttpRequest) -> HttpResponse:
    """Return `{"http_version", "scheme", "path", "query", "client", "headers"}`."""
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
