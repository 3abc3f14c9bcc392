"""The ASGI application: by protocol, then who it is, then where to.

The techniques stand ahead of Django's own application, all on the same footing.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")

from django.core.asgi import get_asgi_application

# Loads the apps, which the imports below need.
django_application: Any = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.urls import re_path

import background.routing
import longpoll.routing
import polling.routing
import realtime_demo.stage.routing
import streaming.routing
import transports.routing
import websocket.routing
from background.worker import EmbeddedWorker
from realtime_demo.stage.compression import compressing
from realtime_demo.static_files import StaticFiles
from transports.auth.middleware import TokenAuthMiddlewareStack
from transports.http.throttling import ConnectionsPerAddress
from transports.lifespan import lifespan
from transports.presence.service import PresenceMiddleware

http_urlpatterns = [
    *polling.routing.http_urlpatterns,
    *longpoll.routing.http_urlpatterns,
    *streaming.routing.http_urlpatterns,
    *transports.routing.http_urlpatterns,
    *background.routing.http_urlpatterns,
    *realtime_demo.stage.routing.http_urlpatterns,
    re_path(r"", django_application),
]
if settings.SERVE_STATIC:
    static_files: Any = StaticFiles(django_application)
    http_urlpatterns.insert(0, re_path(rf"^{settings.STATIC_URL.lstrip('/')}", static_files))
websocket_urlpatterns = [
    *websocket.routing.websocket_urlpatterns,
    *realtime_demo.stage.routing.websocket_urlpatterns,
    re_path(r"", WebsocketDenier.as_asgi()),
]

addresses = ConnectionsPerAddress(settings.MAX_CONNECTIONS_PER_ADDRESS)
http_application: Any = TokenAuthMiddlewareStack(URLRouter(http_urlpatterns))
if settings.STAGE_SOCKET:
    http_application = compressing(http_application)
application: Any = ProtocolTypeRouter(
    {
        "http": addresses.around(http_application),
        "websocket": addresses.around(TokenAuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        "channel": background.routing.channels,
        "lifespan": EmbeddedWorker(lifespan, background.routing.channels),
    }
)
application = PresenceMiddleware(application)
