"""URLs of the demo's controls, which exist only in the server of `manage.py demo`."""

from django.urls import path

from .control_api import burst, cut, lease, restart, set_faults, set_feed, set_network, stall, state
from .wire.views import wire

urlpatterns = [
    path("", state),
    path("wire/", wire),
    path("network/", set_network),
    path("feed/", set_feed),
    path("burst/", burst),
    path("cut/", cut),
    path("stall/", stall),
    path("fault/", set_faults),
    path("lease/", lease),
    path("restart/", restart),
]
