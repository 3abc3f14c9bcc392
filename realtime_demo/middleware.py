"""Middleware of the pages: security policy, caching, language, and database errors."""

from __future__ import annotations

import logging

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin

from realtime_demo.web.views import error_page

logger = logging.getLogger(__name__)


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """Allow only this server's own files, and nothing inline.

    Text that looks like markup then stays text, even if a script inserts it by mistake.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if settings.DEBUG and response.status_code in (404, 500):
            return response  # Django's technical pages have inline styles
        try:
            # Some browsers do not count a WebSocket to the same host as 'self'.
            socket = f" {'wss' if request.is_secure() else 'ws'}://{request.get_host()}"
        except DisallowedHost:  # the response is an error page, which opens no WebSocket
            socket = ""
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self'{socket}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        return response


class NoStoreMiddleware(MiddlewareMixin):
    """Forbid storing pages of logged-in users.

    Neither a proxy nor the browser's history may show them to the next person.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        # A response made without the session does not depend on the user. A server error's cause
        # may be the session: do not read it again.
        session = getattr(request, "session", None)
        is_personal = session is not None and session.accessed and response.status_code < 500
        if is_personal and request.user.is_authenticated:
            add_never_cache_headers(response)
        return response


class LanguageMiddleware(LocaleMiddleware):
    """Django's `LocaleMiddleware`, with `?lang=` before the cookie and Accept-Language.

    The cookie stores the language of `?lang=`, so that further pages have the same language.
    `request.unknown_language` is a requested language that the project does not have.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        language = _requested_language(request)
        request.unknown_language = None if language else request.GET.get("lang")  # type: ignore[attr-defined]
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = language

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response = super().process_response(request, response)
        language = _requested_language(request)
        if language and request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) != language:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                language,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                secure=settings.LANGUAGE_COOKIE_SECURE,
                samesite="Lax",
            )
        return response


def _requested_language(request: HttpRequest) -> str | None:
    language = request.GET.get("lang")
    return language if language in dict(settings.LANGUAGES) else None


class DatabaseErrorMiddleware(MiddlewareMixin):
    """Answer 503 with Retry-After if a page cannot reach the database."""

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        if not isinstance(exception, DatabaseError):
            return None
        logger.warning("%s: %r", request.path, exception)
        response = error_page(None, 503)
        response.headers["Retry-After"] = "1"
        return response
