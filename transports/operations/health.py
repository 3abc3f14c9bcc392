"""Health: `/healthz` is about the process alone, `/readyz` also about its store.

A process whose Redis is away is alive: restarting it would cut every connection that waits for
Redis to come back. It is not ready: a balancer may rather choose another.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from transports import feed, hub
from transports.http.views import api_view, json_response
from transports.store.base import StoreUnavailable

PATIENCE = 2.0  # seconds in which the store has to answer


@api_view("GET", "HEAD")
async def health(request: HttpRequest) -> HttpResponse:
    """`GET /healthz`: `{"status": "ok"}`; 503 and `"stopping"` once the process begins to stop.

    With DEBUG also what the process holds.
    """
    here = hub.current()
    document: dict[str, Any] = {"status": "stopping" if here.closing else "ok"}
    if settings.DEBUG:
        document |= {
            "users": here.users,
            "rooms": here.rooms,
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            **asdict(here.statistics),
        }
    return json_response(document, 503 if here.closing else 200)


@api_view("GET", "HEAD")
async def readiness(request: HttpRequest) -> HttpResponse:
    """`GET /readyz`: as `/healthz`; 503 and `"unavailable"` too while the store is away."""
    status = "stopping" if hub.current().closing else "ok"
    try:
        async with asyncio.timeout(PATIENCE):
            await feed.store().heads([])
    except (StoreUnavailable, TimeoutError):
        status = "unavailable"
    if status == "ok":
        return json_response({"status": status})
    return json_response({"status": status}, 503, **{"Retry-After": "1"})
