"""Where publishing, the list of rooms, and what operators ask, are mounted."""

from django.urls import re_path

from transports.http.publish import PublishConsumer
from transports.operations.echo import MirrorConsumer
from transports.operations.exposition import MetricsConsumer
from transports.operations.health import HealthConsumer, ReadinessConsumer
from transports.operations.openapi import DescriptionConsumer
from transports.operations.rooms import RoomsConsumer

http_urlpatterns = [
    re_path(r"^publish/(?P<room>[^/]+)/$", PublishConsumer.as_asgi()),
    re_path(r"^rooms/$", RoomsConsumer.as_asgi()),
    re_path(r"^healthz$", HealthConsumer.as_asgi()),
    re_path(r"^readyz$", ReadinessConsumer.as_asgi()),
    re_path(r"^mirror/$", MirrorConsumer.as_asgi()),
    re_path(r"^openapi\.json$", DescriptionConsumer.as_asgi()),
    re_path(r"^metrics$", MetricsConsumer.as_asgi()),
]
