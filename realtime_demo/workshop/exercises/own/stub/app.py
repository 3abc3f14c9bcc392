"""A technique of your own, `GET /multipart/<room>/`: see `multipart/endpoints.py`."""

from realtime_demo.workshop.application import build_application  # isort: skip

from multipart.routing import http_urlpatterns

application = build_application(http=http_urlpatterns)
