"""`GET /openapi.json`: the HTTP part of the wire contract in OpenAPI 3.1."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse

from transports.http.views import api_view, response

DESCRIPTION = Path(__file__).with_name("openapi.json")


@api_view("GET", "HEAD")
async def description(request: HttpRequest) -> HttpResponse:
    # Pages of any origin may read it, such as a documentation browser.
    headers = {"Access-Control-Allow-Origin": "*"}
    return response(DESCRIPTION.read_bytes(), 200, "application/json", headers)
