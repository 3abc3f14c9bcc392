"""A Django view that awaits, for WSGI and for ASGI."""

from __future__ import annotations

import asyncio
from collections import Counter

from django.http import HttpRequest, HttpResponse
from django.urls import path

SECONDS = 0.2  # that the view waits
running: Counter[str] = Counter()  # requests in the view, by server interface
most: Counter[str] = Counter()  # and the highest number so far


async def wait(request: HttpRequest, interface: str) -> HttpResponse:
    running[interface] += 1
    most[interface] = max(most[interface], running[interface])
    await asyncio.sleep(SECONDS)
    running[interface] -= 1
    return HttpResponse("waited")


urlpatterns = [path("<str:interface>/", wait)]
