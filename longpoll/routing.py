"""Where long polling is mounted."""

from django.urls import re_path

from .endpoints import LongPollingConsumer

http_urlpatterns = [re_path(r"^longpoll/(?P<room>[^/]+)/$", LongPollingConsumer.as_asgi())]
