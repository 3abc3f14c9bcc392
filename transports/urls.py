"""URLs of the Django views for programs and operators."""

from django.urls import path

from transports.operations.echo import echo
from transports.operations.health import health, readiness
from transports.operations.metrics import metrics
from transports.operations.openapi import description, socket_description
from transports.operations.rooms import rooms

urlpatterns = [
    path("rooms/", rooms),
    path("healthz", health),
    path("readyz", readiness),
    path("mirror/", echo),
    path("openapi.json", description),
    path("asyncapi.json", socket_description),
    path("metrics", metrics),
]
