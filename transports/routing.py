"""ASGI routes of publishing, and of paths that are almost a technique's; and their router.

Place them after the routes of the techniques.
"""

from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import Any

from django.urls import re_path

from transports.http.near_misses import NEAR_MISS, NearMiss, ServerOptions
from transports.http.publish import PublishEndpoint
from transports.http.scope import Application, Receive, Scope, Send

near_miss: Any = re_path(NEAR_MISS, NearMiss.as_asgi())
http_urlpatterns = [
    re_path(r"^publish/(?P<room>[^/]+)/$", PublishEndpoint.as_asgi()),
    near_miss,
    re_path(r"^[*]$", ServerOptions.as_asgi()),
]
websocket_urlpatterns = [near_miss]


def router(routes: Sequence[Any]) -> Application:
    """Return an application like Channels' `URLRouter`, which resolves a repeated path once."""

    @lru_cache(maxsize=128)
    def resolve(path: str) -> tuple[Application, dict[str, Any]]:
        for route in routes:
            if match := route.pattern.match(path):
                rest, args, kwargs = match
                url_route = {"args": args, "kwargs": kwargs}
                return route.callback, {"path_remaining": rest, "url_route": url_route}
        raise ValueError(f"Expected the path of a route; got {path[:100]!r}.")

    def route(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"].removeprefix(scope["root_path"])
        application, resolved = resolve(path.lstrip("/"))
        scope.update(resolved)
        return application(scope, receive, send)

    return route
