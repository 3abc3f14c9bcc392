"""Login view that limits failed attempts per address."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from transports.conf import conf
from transports.http.problems import Problem
from transports.http.throttling import RateLimit, counted_as

failures = RateLimit(detail="Too many log-ins from this address have failed")


class Attempts:
    """The log-ins under way, in as many threads: each holds a token, and loses it by failing.

    A failure that was only counted afterwards would not bind those that came meanwhile: to check
    a password takes long, on purpose.
    """

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._changed = threading.Condition()

    def begin(self, client: str, a_minute: float) -> None:
        """Take a token, of `a_minute`; raises `Problem` (429) if all were lost by failures."""
        with self._changed:
            while True:
                try:
                    failures.take(client, a_minute / 60, burst=a_minute)
                    break
                except Problem:
                    if not self._under_way[client]:
                        raise
                self._changed.wait()  # one of those may yet put its token back
            self._under_way[client] += 1

    def end(self, client: str, *, failed: bool) -> None:
        with self._changed:
            self._under_way[client] -= 1
            if not self._under_way[client]:
                del self._under_way[client]
            if not failed:
                failures.put_back(client)
            self._changed.notify_all()


attempts = Attempts()


class LimitedLoginView(LoginView):
    """Django's `LoginView`; after `LOGIN_RATE` failures in a minute from one address, 429.

    Failures alone count, so that a class behind one address can log in together.
    """

    _failed = False

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        client = counted_as(request.META.get("REMOTE_ADDR", ""))
        if conf.LOGIN_RATE <= 0 or not client:
            return super().post(request, *args, **kwargs)
        try:
            attempts.begin(client, conf.LOGIN_RATE)
        except Problem as problem:
            return self._reject(request, problem)
        try:
            return super().post(request, *args, **kwargs)
        finally:
            attempts.end(client, failed=self._failed)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        self._failed = True
        return super().form_invalid(form)

    @staticmethod
    def _reject(request: HttpRequest, problem: Problem) -> HttpResponse:
        response = render(  # a person reads it
            request,
            "error.html",
            {
                "heading": _("Too many attempts"),
                "explanation": _("Too many log-ins from this address have failed. Wait a minute."),
            },
            status=problem.status,
        )
        for name, value in problem.headers.items():
            response.headers[name] = value
        return response
