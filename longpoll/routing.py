"""Where long polling is mounted."""

from django.urls import re_path

from .endpoints import LongPollingEndpoint

http_urlpatterns = [re_path(r"^longpoll/(?P<room>[^/]+)/$", LongPollingEndpoint.as_asgi())]
