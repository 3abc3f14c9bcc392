"""What a person reads where there is no page.

Programs get `application/problem+json` instead: transports/http/problems.py.
"""

from __future__ import annotations

import logging

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _

from .page import personal, strict_content_security_policy

logger = logging.getLogger(__name__)

EXPLANATIONS = {
    400: (
        _("This request cannot be understood"),
        _("The address or the form is not as it has to be."),
    ),
    403: (
        _("Not allowed"),
        _("The form was sent from another page, or too long ago. Load the page again and retry."),
    ),
    404: (_("There is no such page"), _("The address may be mistyped, or the page has moved.")),
    500: (_("Something went wrong on the server"), _("It is not your fault. Please try again.")),
}
EXPLANATIONS[503] = EXPLANATIONS[500]


def error_page(request: HttpRequest | None, status: int) -> HttpResponse:
    heading, explanation = EXPLANATIONS[status]
    context = {"heading": heading, "explanation": explanation}
    return HttpResponse(render_to_string("error.html", context, request), status=status)


@strict_content_security_policy
@personal
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


@strict_content_security_policy
@personal
def forbidden(
    request: HttpRequest, exception: Exception | None = None, reason: str = ""
) -> HttpResponse:
    """Also Django's `CSRF_FAILURE_VIEW`, which gives a reason."""
    return error_page(request, 403)


@strict_content_security_policy
@personal
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404)


@strict_content_security_policy
def server_error(request: HttpRequest) -> HttpResponse:
    # Without the request: who is logged in is in the database, which may be what went wrong.
    return error_page(None, 500)


class DatabaseAwayMiddleware(MiddlewareMixin):
    """A page that cannot be made without the database: 503, and when to come again."""

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        if not isinstance(exception, DatabaseError):
            return None
        logger.warning("%s: %r", request.path, exception)
        response = _database_away(request)
        response.headers["Retry-After"] = "1"
        return response


@strict_content_security_policy
def _database_away(request: HttpRequest) -> HttpResponse:
    return error_page(None, 503)
