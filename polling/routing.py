"""Where short polling is mounted."""

from django.urls import re_path

from .endpoints import PollingEndpoint

http_urlpatterns = [re_path(r"^polling/(?P<room>[^/]+)/$", PollingEndpoint.as_asgi())]
