"""Where both framings of streaming are mounted."""

from django.urls import re_path

from .endpoints import ServerSentEventsEndpoint, StreamingEndpoint

http_urlpatterns = [
    re_path(r"^streaming/(?P<room>[^/]+)/$", StreamingEndpoint.as_asgi()),
    re_path(r"^streaming/(?P<room>[^/]+)/sse/$", ServerSentEventsEndpoint.as_asgi()),
]
