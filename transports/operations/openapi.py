"""`GET /openapi.json`: the HTTP half of the wire contract, for programs (OpenAPI 3.1)."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse

from transports.http.views import api_view, response

DESCRIPTION = Path(__file__).with_name("openapi.json")


@api_view("GET", "HEAD")
async def description(request: HttpRequest) -> HttpResponse:
    # Anyone's page may read it, as a documentation browser does.
    headers = {"Access-Control-Allow-Origin": "*"}
    return response(DESCRIPTION.read_bytes(), 200, "application/json", headers)
