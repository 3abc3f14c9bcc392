"""Django's async views for programs, with JSON and problem+json responses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from transports.events import encode
from transports.http.base import check_method
from transports.http.problems import problem_of

View = Callable[..., Coroutine[Any, Any, HttpResponse]]


def api_view(*methods: str) -> Callable[[View], View]:
    """Return a decorator for a view that accepts `methods` and may raise `Problem`."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                check_method(str(request.method), methods)
                return await view(request, *args, **kwargs)
            except Exception as error:
                problem = problem_of(error, request.path)
                return response(
                    problem.body, problem.status, "application/problem+json", problem.headers
                )

        wrapper.methods = methods  # type: ignore[attr-defined]  # as `Endpoint.methods`
        return wrapper

    return decorate


def json_response(document: object, status: int = 200, **headers: str) -> HttpResponse:
    return response(encode(document), status, "application/json", headers)


def response(
    body: bytes, status: int, content_type: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a response that caches do not store."""
    fields = {"Cache-Control": "no-store", **(headers or {})}
    return HttpResponse(body, content_type=content_type, status=status, headers=fields)
