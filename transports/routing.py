"""Where publishing, the list of rooms and the health check are mounted."""

from django.urls import re_path

from .health import HealthConsumer
from .publish import PublishConsumer
from .rooms import RoomsConsumer

http_urlpatterns = [
    re_path(r"^publish/(?P<room>[^/]+)/$", PublishConsumer.as_asgi()),
    re_path(r"^rooms/$", RoomsConsumer.as_asgi()),
    re_path(r"^healthz$", HealthConsumer.as_asgi()),
]
