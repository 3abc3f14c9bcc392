"""The published descriptions, and the routes, methods and limits in the one of HTTP."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from django.urls import URLPattern

import background.urls
import transports.urls
from realtime_demo.asgi import django_application, http_urlpatterns
from transports.http.near_misses import NearMiss, ServerOptions
from transports.operations.openapi import DESCRIPTION, SOCKET_DESCRIPTION

DOCUMENT = json.loads(DESCRIPTION.read_text())


def template(pattern: URLPattern) -> str:
    """Return a route in OpenAPI's notation: `/polling/{room}/`."""
    route = str(pattern.pattern)
    route = re.sub(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", r"{\1\2}", route)
    return "/" + route.lstrip("^").rstrip("$").replace("\\", "")


def methods(application: Any) -> set[str]:
    # A route for all methods is described by GET. HEAD is implied.
    return set(getattr(application, "methods", ("GET",))) - {"HEAD"}


def test_routes_and_descriptions_match() -> None:
    routes = {
        template(pattern): methods(pattern.callback)
        for pattern in [
            *http_urlpatterns,
            *transports.urls.urlpatterns,
            *background.urls.urlpatterns,
        ]
        if pattern.callback is not django_application
        and not isinstance(pattern.callback, NearMiss | ServerOptions)
        and not template(pattern).startswith("/static/")
    }
    described = {
        path: {method.upper() for method in operations if method in ("get", "post")}
        for path, operations in DOCUMENT["paths"].items()
    }
    assert described == routes


def test_the_limits_are_the_defaults() -> None:
    from django.conf import settings

    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Text"]["maxLength"] == settings.TEXT_LENGTH
    assert schemas["Sender"]["maxLength"] == settings.SENDER_LENGTH


@pytest.mark.own_server
@pytest.mark.parametrize(
    ("name", "document"),
    [("openapi.json", DOCUMENT), ("asyncapi.json", json.loads(SOCKET_DESCRIPTION.read_text()))],
    ids=["openapi", "asyncapi"],
)
async def test_a_description_is_served(http: httpx.AsyncClient, name: str, document: Any) -> None:
    response = await http.get(f"/{name}")
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json() == document
