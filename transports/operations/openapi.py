"""The wire contract for programs: `GET /openapi.json` and, for WebSocket, `/asyncapi.json`."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse

from transports.http.views import api_view, response

DESCRIPTION = Path(__file__).with_name("openapi.json")
SOCKET_DESCRIPTION = Path(__file__).with_name("asyncapi.json")


@api_view("GET", "HEAD")
async def description(request: HttpRequest) -> HttpResponse:
    """Serve the description in OpenAPI 3.1."""
    return _served(DESCRIPTION)


@api_view("GET", "HEAD")
async def socket_description(request: HttpRequest) -> HttpResponse:
    """Serve the description in AsyncAPI 3.0, which refers to the schemas of the other one."""
    return _served(SOCKET_DESCRIPTION)


def _served(path: Path) -> HttpResponse:
    # Pages of any origin may read it, such as a documentation browser.
    headers = {"Access-Control-Allow-Origin": "*"}
    return response(path.read_bytes(), 200, "application/json", headers)
