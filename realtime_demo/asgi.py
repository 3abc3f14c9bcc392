"""The ASGI application: limits, then routes by protocol, then authentication, then routes by path.

The techniques are mounted ahead of Django's own application, all in the same way.
"""

import gc
import logging
import os
from importlib import import_module
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "realtime_demo.settings")

from django.core.asgi import get_asgi_application

# Loads the apps, which the imports below need.
django_application: Any = get_asgi_application()

from channels.routing import ProtocolTypeRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.urls import path, re_path

import transports.routing
from background.consumers import channels
from background.worker import EmbeddedWorker
from realtime_demo.demo.generator import generator
from realtime_demo.demo.ipc import parent
from realtime_demo.demo.middleware import compressing, with_client_addresses
from realtime_demo.demo.state_socket import StateSocket
from realtime_demo.static_files import StaticFiles
from transports.auth.middleware import TokenAuthMiddlewareStack
from transports.boundary import Boundary, Service
from transports.command_line import environment_language
from transports.lifespan import FeedService
from transports.operations.agreement import agreement
from transports.presence.service import PresenceMiddleware
from transports.registry import APPS
from transports.rooms.directory import directory
from transports.routing import router

if settings.REDIS_URL and settings.SECRET_KEY_IS_RANDOM:
    logging.getLogger(__name__).warning(
        "SECRET_KEY is not set: other processes with this Redis reject the sessions of this one."
    )
agreement.language = environment_language()
routings = [import_module(f"{app}.routing") for app in APPS]
http_urlpatterns = [
    *(route for module in routings for route in getattr(module, "http_urlpatterns", [])),
    *transports.routing.http_urlpatterns,
    re_path(r"", django_application),
]
if settings.SERVE_STATIC:
    static_files: Any = StaticFiles(django_application)
    http_urlpatterns.insert(0, re_path(r"^static/", static_files))
websocket_urlpatterns = [
    *(route for module in routings for route in getattr(module, "websocket_urlpatterns", [])),
    *transports.routing.websocket_urlpatterns,
    re_path(r"", WebsocketDenier.as_asgi()),
]
if settings.STAGE_SOCKET:
    websocket_urlpatterns.insert(0, path("stage/live/", StateSocket.as_asgi()))

application: Any = ProtocolTypeRouter(
    {
        "http": TokenAuthMiddlewareStack(router(http_urlpatterns)),
        "websocket": TokenAuthMiddlewareStack(router(websocket_urlpatterns)),
        "channel": channels,
    }
)
application = presence = PresenceMiddleware(application)
services: list[Service] = [
    FeedService(),
    directory,
    presence,
    EmbeddedWorker(channels, with_redis=bool(settings.STAGE_SOCKET)),
    agreement,
]
if settings.STAGE_SOCKET:
    application = compressing(application)
    parent.listeners.append(generator.apply)
    services.append(parent)
application = Boundary(
    application,
    services,
    most=settings.MAX_CONNECTIONS,
    most_per_address=settings.MAX_CONNECTIONS_PER_ADDRESS,
    body_size=settings.BODY_SIZE,
    behind_proxy=settings.BEHIND_PROXY,
    root_path=settings.FORCE_SCRIPT_NAME or "",
)
if settings.ALLOWED_ORIGINS:
    from transports.cors import CrossOrigin

    application = CrossOrigin(application, settings.ALLOWED_ORIGINS)
if settings.STAGE_SOCKET:
    application = with_client_addresses(application)

# The garbage collector need not search what is loaded by now.
gc.freeze()
