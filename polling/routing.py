"""Where short polling is mounted."""

from django.urls import re_path

from .endpoints import PollingConsumer

http_urlpatterns = [re_path(r"^polling/(?P<room>[^/]+)/$", PollingConsumer.as_asgi())]
