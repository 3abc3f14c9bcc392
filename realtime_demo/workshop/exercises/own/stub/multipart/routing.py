"""ASGI route of multipart streaming."""

from django.urls import re_path

from .endpoints import MultipartEndpoint

http_urlpatterns = [re_path(r"^multipart/(?P<room>[^/]+)/$", MultipartEndpoint.as_asgi())]
