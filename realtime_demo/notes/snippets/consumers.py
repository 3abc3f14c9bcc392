"""Chat consumers in the form of the notes: synchronous with `async_to_sync`, and asynchronous."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer


class ChatConsumer(WebsocketConsumer):  # type: ignore[misc]
    def connect(self) -> None:
        self.room = self.scope["room"]
        async_to_sync(self.channel_layer.group_add)(self.room, self.channel_name)
        self.accept()

    def receive(self, text_data: str) -> None:
        message = {"type": "chat.message", "text": text_data}
        async_to_sync(self.channel_layer.group_send)(self.room, message)

    def chat_message(self, event: dict[str, Any]) -> None:
        self.send(text_data=event["text"])


class AsyncChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        self.room = self.scope["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def receive(self, text_data: str) -> None:
        message = {"type": "chat.message", "text": text_data}
        await self.channel_layer.group_send(self.room, message)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])
