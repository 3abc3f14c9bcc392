"""The ASGI application, nested as in the tutorial."""
# ruff: noqa: E402 (Django is set up before its parts are imported)

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.tutorial.settings"

from django.core.asgi import get_asgi_application

http_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from benchmarks.tutorial.consumers import ChatConsumer

sockets = URLRouter([path("ws/chat/<slug:room>/", ChatConsumer.as_asgi())])
application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets)),
    }
)
