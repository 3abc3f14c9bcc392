"""Where both framings of streaming are mounted."""

from django.urls import re_path

from .endpoints import ServerSentEventsConsumer, StreamingConsumer

http_urlpatterns = [
    re_path(r"^streaming/(?P<room>[^/]+)/$", StreamingConsumer.as_asgi()),
    re_path(r"^streaming/(?P<room>[^/]+)/sse/$", ServerSentEventsConsumer.as_asgi()),
]
