"""WebSocket: the chat consumer of the Channels tutorial, at `/chat/<room>/?since=`."""

from realtime_demo.workshop.application import build_application  # isort: skip

from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import re_path

from transports.feed import group_of


class Chat(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        self.group = group_of(self.scope["url_route"]["kwargs"]["room"])
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def feed_event(self, message: dict[str, Any]) -> None:
        """Send the event that `feed.publish` has sent to the group."""
        await self.send(text_data=message["event"])


application = build_application(websocket=[re_path(r"^chat/(?P<room>[^/]+)/$", Chat.as_asgi())])
