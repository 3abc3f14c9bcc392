"""Four pages that show a room: uvicorn examples.pages.asgi:application"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "examples.pages.settings")

from django.core.asgi import get_asgi_application

django_application: Any = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.urls import re_path

import streaming.routing
import transports.routing
import websocket.routing
from transports.boundary import Boundary
from transports.lifespan import FeedService

pages: Any = ASGIStaticFilesHandler(django_application)
http = [
    *streaming.routing.http_urlpatterns,
    *transports.routing.http_urlpatterns,
    re_path(r"", pages),
]
websockets = websocket.routing.websocket_urlpatterns
application = Boundary(
    ProtocolTypeRouter({"http": URLRouter(http), "websocket": URLRouter(websockets)}),
    [FeedService()],
)
