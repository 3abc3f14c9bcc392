"""ASGI routes of publishing, and of paths that are almost a technique's.

Place them after the routes of the techniques.
"""

from typing import Any

from django.urls import re_path

from transports.http.near_misses import NEAR_MISS, NearMiss, ServerOptions
from transports.http.publish import PublishEndpoint

near_miss: Any = re_path(NEAR_MISS, NearMiss.as_asgi())
http_urlpatterns = [
    re_path(r"^publish/(?P<room>[^/]+)/$", PublishEndpoint.as_asgi()),
    near_miss,
    re_path(r"^[*]$", ServerOptions.as_asgi()),
]
websocket_urlpatterns = [near_miss]
