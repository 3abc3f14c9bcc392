"""Where publishing is mounted."""

from django.urls import re_path

from transports.http.publish import PublishEndpoint

http_urlpatterns = [re_path(r"^publish/(?P<room>[^/]+)/$", PublishEndpoint.as_asgi())]
