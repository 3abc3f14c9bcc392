"""Django's async views for programs, with JSON and problem+json responses."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_BAD_ORIGIN

from transports.events import encode
from transports.http.base import check_method
from transports.http.problems import Problem, problem_of

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
                return problem_response(problem_of(error, request.path))

        wrapper.methods = methods  # type: ignore[attr-defined]  # as `Endpoint.methods`
        return wrapper

    return decorate


def csrf_failure(request: HttpRequest, reason: str) -> HttpResponse | None:
    """Return an API view's response to a failed CSRF check; None for other views."""
    view = request.resolver_match.func if request.resolver_match else None
    methods: tuple[str, ...] = getattr(view, "methods", ())
    if not methods:
        return None
    try:
        check_method(str(request.method), methods)
        if reason == REASON_BAD_ORIGIN % request.headers.get("Origin"):
            raise Problem(403, "origin", reason)
        raise Problem(403, "csrf", f"{reason.rstrip('.')} (header X-CSRFToken).")
    except Problem as problem:
        return problem_response(problem)


def problem_response(problem: Problem) -> HttpResponse:
    return response(problem.body, problem.status, "application/problem+json", problem.headers)


def json_response(document: object, status: int = 200, **headers: str) -> HttpResponse:
    return response(encode(document), status, "application/json", headers)


def response(
    body: bytes, status: int, content_type: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    """Return a response that caches may not store, and that other sites may read only by CORS."""
    fields = {
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    return HttpResponse(body, content_type=content_type, status=status, headers=fields)
