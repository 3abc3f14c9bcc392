"""URLs of the demo's controls, which exist only in the server of `manage.py demo`."""

from django.urls import path

from .control_api import burst, command, restart, set_feed, state
from .wire.views import wire

urlpatterns = [
    path("", state),
    path("wire/", wire),
    path("network/", command("network")),
    path("feed/", set_feed),
    path("burst/", burst),
    path("cut/", command("cut")),
    path("stall/", command("stall")),
    path("fault/", command("faults")),
    path("lease/", command("lease")),
    path("restart/", restart),
]
