"""URLs of the Django views for programs and operators."""

from django.urls import path

from transports.operations.echo import echo
from transports.operations.health import health, readiness
from transports.operations.metrics import metrics
from transports.operations.openapi import DESCRIPTION, SOCKET_DESCRIPTION, description
from transports.operations.rooms import rooms

urlpatterns = [
    path("rooms/", rooms),
    path("healthz", health),
    path("readyz", readiness),
    path("mirror/", echo),
    path("openapi.json", description, {"body": DESCRIPTION.read_bytes()}),
    path("asyncapi.json", description, {"body": SOCKET_DESCRIPTION.read_bytes()}),
    path("metrics", metrics),
]
