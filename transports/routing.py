"""Where publishing, the list of rooms, and what operators ask, are mounted."""

from django.urls import re_path

from transports.http.publish import PublishEndpoint
from transports.operations.echo import EchoEndpoint
from transports.operations.exposition import MetricsEndpoint
from transports.operations.health import HealthEndpoint, ReadinessEndpoint
from transports.operations.openapi import DescriptionEndpoint
from transports.operations.rooms import RoomsEndpoint

http_urlpatterns = [
    re_path(r"^publish/(?P<room>[^/]+)/$", PublishEndpoint.as_asgi()),
    re_path(r"^rooms/$", RoomsEndpoint.as_asgi()),
    re_path(r"^healthz$", HealthEndpoint.as_asgi()),
    re_path(r"^readyz$", ReadinessEndpoint.as_asgi()),
    re_path(r"^mirror/$", EchoEndpoint.as_asgi()),
    re_path(r"^openapi\.json$", DescriptionEndpoint.as_asgi()),
    re_path(r"^metrics$", MetricsEndpoint.as_asgi()),
]
