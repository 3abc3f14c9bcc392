"""The wire contract for programs: `GET /openapi.json` and, for WebSocket, `/asyncapi.json`."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse

from transports.http.views import api_view, response

# In OpenAPI 3.1 and AsyncAPI 3.0; the second refers to the schemas of the first.
DESCRIPTION = Path(__file__).with_name("openapi.json")
SOCKET_DESCRIPTION = Path(__file__).with_name("asyncapi.json")


@api_view("GET", "HEAD")
async def description(request: HttpRequest, body: bytes) -> HttpResponse:
    """Serve a description. Pages of any origin may read it, such as a documentation browser."""
    headers = {"Access-Control-Allow-Origin": "*"}
    return response(body, 200, "application/json", headers)
