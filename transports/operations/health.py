"""Health checks: `/healthz` of the process alone, `/readyz` also of its store.

A process without Redis is healthy: a restart would cut every connection that waits for Redis. But
it is not ready: a load balancer should prefer another.
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
from transports.operations.agreement import agreement
from transports.store.base import StoreUnavailable

STORE_TIMEOUT = 2.0  # seconds


@api_view("GET", "HEAD")
async def health(request: HttpRequest) -> HttpResponse:
    """Return `{"status": "ok"}` for `/healthz`; 503 and `"stopping"` once the process stops.

    With DEBUG, include counts of users, rooms, tasks and threads.
    """
    current = hub.current()
    document: dict[str, Any] = {"status": "stopping" if current.closing else "ok"}
    if settings.DEBUG:
        document |= {
            "users": current.users,
            "rooms": current.rooms,
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            **asdict(current.statistics),
        }
    return json_response(document, 503 if current.closing else 200)


@api_view("GET", "HEAD")
async def readiness(request: HttpRequest) -> HttpResponse:
    """Return the status for `/readyz`: as `/healthz`, or 503 with the reason.

    `"unavailable"` without a store; `"disagreement"`, with the `detail`, if an earlier process of
    the feed has other settings (`agreement`).
    """
    status, members = "stopping" if hub.current().closing else "ok", {}
    if status == "ok" and agreement.disagreements:
        status, members = "disagreement", {"detail": " ".join(agreement.disagreements)}
    try:
        async with asyncio.timeout(STORE_TIMEOUT):
            await feed.store().heads([])
    except (StoreUnavailable, TimeoutError):
        status, members = "unavailable", {}
    if status == "ok":
        return json_response({"status": status})
    return json_response({"status": status, **members}, 503, **{"Retry-After": "1"})
