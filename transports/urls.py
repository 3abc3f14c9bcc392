"""What programs and operators ask, as Django's own views."""

from django.urls import path

from transports.operations.echo import echo
from transports.operations.health import health, readiness
from transports.operations.metrics import metrics
from transports.operations.openapi import description
from transports.operations.rooms import rooms

urlpatterns = [
    path("rooms/", rooms),
    path("healthz", health),
    path("readyz", readiness),
    path("mirror/", echo),
    path("openapi.json", description),
    path("metrics", metrics),
]
