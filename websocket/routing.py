"""ASGI routes of both consumers."""

from typing import Any

from django.urls import re_path

from .consumers import FeedConsumer, OneThread, SyncFeedConsumer

synchronous: Any = OneThread(SyncFeedConsumer.as_asgi())
websocket_urlpatterns = [
    re_path(r"^websocket/(?P<room>[^/]+)/$", FeedConsumer.as_asgi()),
    re_path(r"^websocket/sync/(?P<room>[^/]+)/$", synchronous),
]
