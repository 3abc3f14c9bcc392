"""Django's async views for programs: they answer JSON, and problems as problem+json."""

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
    """Decorate a view that takes these methods, and may raise `Problem`."""

    def decorate(view: View) -> View:
        @wraps(view)
        async def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                check_method(str(request.method), methods)
                return await view(request, *args, **kwargs)
            except Exception as error:
                problem = problem_of(error, request.path)
                return response(
                    problem.body, problem.status, "application/problem+json", problem.headers
                )

        answered.methods = methods  # type: ignore[attr-defined]  # as an endpoint's
        return answered

    return decorate


def json_response(document: object, status: int = 200, **headers: str) -> HttpResponse:
    return response(encode(document), status, "application/json", headers)


def response(
    body: bytes, status: int, content_type: str, headers: dict[str, str] | None = None
) -> HttpResponse:
    """A response that no cache keeps."""
    fields = {"Cache-Control": "no-store", **(headers or {})}
    return HttpResponse(body, content_type=content_type, status=status, headers=fields)
