"""The login page, which guesses at passwords wear out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from transports.refusals import Refusal

from .limits import RateLimit

failures = RateLimit(detail="Too many log-ins from this address have failed")


class LimitedLoginView(LoginView):
    """Django's `LoginView`; after `LOGIN_RATE` failures in a minute from one address, 429.

    Failures alone count, so that a class behind one address can log in together.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        refusal = self._refusal(request, tokens=0)
        if refusal is None:
            return super().post(request, *args, **kwargs)
        response = render(  # a person reads it
            request,
            "error.html",
            {
                "heading": _("Too many attempts"),
                "explanation": _("Too many log-ins from this address have failed. Wait a minute."),
            },
            status=refusal.status,
        )
        for name, value in refusal.headers.items():
            response.headers[name] = value
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        self._refusal(self.request, tokens=1)
        return super().form_invalid(form)

    @staticmethod
    def _refusal(request: HttpRequest, tokens: float) -> Refusal | None:
        rate = settings.LOGIN_RATE / 60
        if rate <= 0:
            return None
        try:
            client = request.META.get("REMOTE_ADDR", "")
            failures.take(client, rate, burst=settings.LOGIN_RATE, tokens=tokens)
        except Refusal as refusal:
            return refusal
        return None
