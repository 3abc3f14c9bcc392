"""The baseline: a chat in the shape of the Channels tutorial, on Daphne.

Each connection has its own consumer, which joins the room's group in the channel layer and
encodes each message again. A plain Django view answers polls. With REDIS_URL the layer is in
Redis.
"""
# ruff: noqa: E402 (Django is set up before its parts are imported)

from __future__ import annotations

import os
from typing import Any

from django.conf import settings

from benchmarks.peers import SETTINGS

REDIS_URL = os.environ.get("REDIS_URL", "")
# The tutorial's capacity of 100 silently drops most of a burst.
CAPACITY = 100_000
LAYER: dict[str, Any] = {
    "BACKEND": "channels.layers.InMemoryChannelLayer",
    "CONFIG": {"capacity": CAPACITY},
}
if REDIS_URL:
    # socket_timeout: see https://github.com/django/channels_redis/issues/422
    LAYER = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_timeout": 15}],
            "prefix": "tutorial",
            "capacity": CAPACITY,
        },
    }
settings.configure(**SETTINGS, ROOT_URLCONF=__name__, CHANNEL_LAYERS={"default": LAYER})

from django.core.asgi import get_asgi_application

http_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.http import HttpRequest, JsonResponse
from django.urls import path


class ChatConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """`WS /ws/chat/<room>/`: a `{"message"}` from a member is sent to all members."""

    async def connect(self) -> None:
        self.group = f"chat_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        message = {"type": "chat.message", "message": content["message"]}
        await self.channel_layer.group_send(self.group, message)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send_json({"message": event["message"]})


def poll(request: HttpRequest, room: str) -> JsonResponse:
    """Return no events: an ordinary Django view."""
    return JsonResponse({"room": room, "cursor": request.GET.get("since", ""), "events": []})


urlpatterns = [path("polling/<slug:room>/", poll)]
sockets = URLRouter([path("ws/chat/<slug:room>/", ChatConsumer.as_asgi())])
application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets)),
    }
)
