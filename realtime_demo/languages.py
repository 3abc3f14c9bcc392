"""The language of a page: `?lang=`, else the one asked for last, else the browser's."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation


class LanguageMiddleware(LocaleMiddleware):
    """Django's `LocaleMiddleware`, with `?lang=` ahead of the cookie and of Accept-Language.

    What the address asks for is remembered, so that a link handed out in one language leads to
    pages in that language. A language that there is not is passed over.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if language := _asked_for(request):
            translation.activate(language)
            request.LANGUAGE_CODE = language

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response = super().process_response(request, response)
        language = _asked_for(request)
        if language and request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) != language:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                language,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                secure=settings.LANGUAGE_COOKIE_SECURE,
                samesite="Lax",
            )
        return response


def _asked_for(request: HttpRequest) -> str | None:
    asked = request.GET.get("lang")
    return asked if asked in dict(settings.LANGUAGES) else None
