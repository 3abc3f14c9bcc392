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
    """The log-ins in progress, one in each thread.

    Each log-in takes a token of its client's bucket, and returns it unless it fails. Counting
    failures only afterwards would not limit concurrent attempts: checking a password is slow on
    purpose.
    """

    def __init__(self) -> None:
        self._in_progress: Counter[str] = Counter()
        self._changed = threading.Condition()

    def begin(self, client: str, per_minute: float) -> None:
        """Take one of `per_minute` tokens; raises `Problem` (429) if failures have used them up."""
        with self._changed:
            while True:
                try:
                    failures.take(client, per_minute / 60, burst=per_minute)
                    break
                except Problem:
                    if not self._in_progress[client]:
                        raise
                self._changed.wait()  # an attempt in progress may still return its token
            self._in_progress[client] += 1

    def end(self, client: str, *, failed: bool) -> None:
        with self._changed:
            self._in_progress[client] -= 1
            if not self._in_progress[client]:
                del self._in_progress[client]
            if not failed:
                failures.put_back(client)
            self._changed.notify_all()


attempts = Attempts()


class LimitedLoginView(LoginView):
    """Django's `LoginView`, with 429 after `LOGIN_RATE` failures in a minute from one address.

    Only failures count, so that a classroom behind one address can log in at once.
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
        response = render(  # a page, as people use this view
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
